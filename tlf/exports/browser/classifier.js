/* A model that tlf has exported with its preprocessing, in a browser. onnxruntime-web computes. */

import * as ort from "./ort.wasm.bundle.min.mjs";

ort.env.wasm.numThreads = 1; // more of them need a server that sends the headers COOP and COEP

const LONGEST = 16384; // pixels of a side: larger canvases stay empty in some browsers
const MOST = 2 * 89478485; // pixels of a resized image: tlf refuses larger ones, too

/* Load a model from an address. */
export async function loadClassifier(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url} cannot be loaded: ${answer.status} ${answer.statusText}`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const about = readMetadata(bytes);
  if (!about.with_preprocessing) {
    throw new Error(`${url} takes prepared images; export it with --with-preprocessing`);
  }
  const session = await ort.InferenceSession.create(bytes);
  return { labels: about.classes, classify: (file) => classify(session, about, file) };
}

/* Classify an image file, a Blob: its probabilities in the order of the labels, and the labels
   that are predicted, of which there may be several or none. */
async function classify(session, about, file) {
  const image = await readImage(file, about.preprocessing);
  const found = await session.run({ image });
  const { type, data } = found.predicted;
  const predicted = type === "bool" ? about.classes.filter((_, k) => data[k])
    : [about.classes[Number(data[0])]];
  return { probabilities: [...found.probabilities.data], predicted };
}

/* Decode an image file: upright, transparent pixels on white, without colour profiles. */
async function readImage(file, preprocessing) {
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" }).catch(() => {
    throw new Error(`${file.name ?? "the file"} cannot be read as an image`);
  });
  const { width, height } = bitmap;
  checkSize(width, height, preprocessing);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const channels = preprocessing.mean.length;
  const pixels = toChannels(context.getImageData(0, 0, width, height).data, channels);
  return new ort.Tensor("uint8", pixels, [height, width, channels]);
}

function checkSize(width, height, { resize, crop, size }) {
  if (Math.max(width, height) > LONGEST) {
    throw new Error(`${width} × ${height} pixels: a side must have ${LONGEST} at most`);
  }
  const [shorter, longer] = [Math.min(width, height), Math.max(width, height)];
  const resized = crop === "squash" ? size * size : resize * Math.floor(resize * longer / shorter);
  if (resized > MOST) throw new Error(`${width} × ${height} pixels: too long and thin`);
}

/* RGBA to RGB, or to grey as Pillow computes it. */
function toChannels(rgba, channels) {
  const pixels = new Uint8Array(rgba.length / 4 * channels);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    const [red, green, blue] = [rgba[from], rgba[from + 1], rgba[from + 2]];
    if (channels === 3) {
      pixels[to++] = red;
      pixels[to++] = green;
      pixels[to++] = blue;
    } else {
      pixels[to++] = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16;
    }
  }
  return pixels;
}

/* The JSON that tlf wrote into an ONNX file, which is a message of Protocol Buffers: fields, each
   with a number and a type. Metadata are the fields 14, whose fields 1 and 2 are key and value. */
function readMetadata(bytes) {
  for (const [number, entry] of fields(bytes)) {
    if (number !== 14) continue;
    const [key, value] = [...fields(entry)].map(([, text]) => new TextDecoder().decode(text));
    if (key === "tlf") return checked(JSON.parse(value));
  }
  throw new Error("the file has no labels of tlf; name one that tlf export --to onnx has written");
}

function checked(about) {
  const { mean, depth = 8 } = about.preprocessing;
  if (depth !== 8 || ![1, 3].includes(mean.length)) {
    throw new Error(`a browser decodes 8 bits in grey or colour, and the model takes ${depth} bits `
      + `in ${mean.length} channels`);
  }
  return about;
}

/* The number and the bytes of each field that has bytes. */
function* fields(bytes) {
  let at = 0;
  const read = () => {
    let [value, factor, byte] = [0, 1, 0];
    do {
      byte = bytes[at++];
      value += (byte & 127) * factor;
      factor *= 128;
    } while (byte & 128);
    return value;
  };
  while (at < bytes.length) {
    const tag = read();
    const [number, type] = [tag >> 3, tag & 7];
    if (type === 2) {
      const length = read();
      yield [number, bytes.subarray(at, at += length)];
    } else if (type === 0) read();
    else at += type === 1 ? 8 : 4;
  }
}
