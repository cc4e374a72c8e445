// Work for the coming frames, one piece in each, so that no frame has much to do. A piece that waits
// already is done once.

let pieces = new Set();
let running = false;

export function inLaterFrame(piece) {
  pieces.add(piece);
  run();
}

// Before all that waits.
export function inNextFrames(...first) {
  pieces = new Set([...first, ...pieces]);
  run();
}

function run() {
  if (running || !pieces.size) return;
  running = true;
  requestAnimationFrame(() => {
    const [piece] = pieces;
    pieces.delete(piece);
    running = false;
    run();
    piece();
  });
}
