// The lessons of the guided tour. `lanes` are presets by their ids: two of them stand side by side.

// Lessons whose presets this network has.
export function lessonsOf(scene) {
  const known = new Set(scene.presets.map((preset) => preset.id));
  return everyLesson(scene, known.has("naive")).filter(({ lanes }) =>
    lanes.every((id) => known.has(id)),
  );
}

// A network without BatchNorm and dropout is the same in training mode: it has no naive preset.
function everyLesson({ stages }, naiveDiffers) {
  const [first] = stages.map((stage) => stage.name);
  const last = stages.at(-2)?.name;
  return [
    {
      title: "Replace the last layer, freeze all others",
      lanes: ["head"],
      press: "Press “Train step” three times.",
      watch:
        "The red dots leave the loss, reach the head, and end there. Every stage below is frozen and has no gradient.",
      means:
        "Someone has trained this backbone on many images before. You give it a new head for your classes and train that alone: feature extraction. It is quick, and it needs few images.",
      look: "network",
    },
    {
      title: "Why does the lowest stage not move?",
      lanes: ["last"],
      press: "Press “Train step”, and read the sentences.",
      watch: `The gradient goes through the head to ${last}, which trains, and stops. At ${first} there is none: not 0, none.`,
      means:
        "A gradient is computed only where something at a stage or below it trains. Below the lowest trainable stage nothing does, so the backward pass ends there. Its time is saved.",
      look: "story",
    },
    {
      title: "Through a frozen stage",
      lanes: ["sandwich"],
      press: "Press “Train step”, and follow the hollow dots.",
      watch:
        "They pass frozen stages on their way to a trainable one below. The weights of the frozen stages do not move.",
      means:
        "Freezing a stage does not stop the gradient: the stage passes it on. You pay for its backward pass, but its own weights get no gradient.",
      look: "network",
    },
    {
      title: "What does it cost to train everything?",
      lanes: ["head", "all"],
      press: "Press “Train step” three times. Compare the two lanes.",
      watch:
        "The work, the memory and the time of a step in either lane. Beside the stages: what moved, and how far.",
      means:
        "Fine-tuning can fit the network to your images, and every step pays for all of the backward pass. A high learning rate can destroy what the pretrained weights know. So train the head first, then thaw later stages, and give the backbone a tenth of the head’s learning rate.",
      look: "network",
    },
    {
      title: "Frozen, and yet it changes",
      lanes: naiveDiffers ? ["head", "naive"] : ["head"],
      ...naiveTexts(stages, naiveDiffers),
      look: "story",
    },
    {
      title: "What are pretrained weights for, if all is frozen?",
      lanes: ["head", "random"],
      press: "Press “×10”. Both lanes train the same head, on the same images.",
      watch: "The loss of the unseen images, and how many of them are right, in either lane.",
      means:
        "The head knows nothing of an image but its features. Pretrained stages have learned to see edges, textures and parts; the features of random weights say little. Pretrained weights are useful because they are kept.",
      look: "images",
    },
  ];
}

function naiveTexts(stages, differs) {
  const press = "Press “Train step” three times. Both lanes freeze the same weights.";
  const custom =
    "Many tutorials only set requires_grad = False, and leave the network in training mode.";
  if (stages.some((stage) => stage.statistics > 0)) {
    return {
      press,
      watch:
        "In lane 1 frozen stages are unchanged, bit for bit. In lane 2 their BatchNorm statistics drift further with every step.",
      means: `${custom} BatchNorm then follows every batch, so the frozen stages compute something else after each step. tlf puts them in eval mode: frozen means frozen.`,
    };
  }
  if (differs) {
    return {
      press,
      watch:
        "This network keeps no BatchNorm statistics: frozen stages are unchanged in both lanes. In lane 2 dropout still drops, so the loss of a step differs.",
      means: `${custom} Frozen stages with dropout then compute something else in each step; with BatchNorm, as in a ResNet, their statistics would drift. tlf puts frozen stages in eval mode.`,
    };
  }
  return {
    press: "Press “Train step”.",
    watch: "Frozen stages are unchanged, bit for bit. In this network they always are.",
    means: `${custom} With BatchNorm, as in a ResNet, the statistics of frozen stages then drift with every step: naive freezing. This network has neither BatchNorm nor dropout. tlf puts frozen stages in eval mode in any case.`,
  };
}
