// The field's words. `said` are the forms in which texts of the page link to an entry.

export const GLOSSARY = [
  {
    id: "stage",
    term: "stage",
    means: "A group of layers that follow each other in the network. A ResNet has a stem and four.",
  },
  {
    id: "backbone",
    term: "backbone",
    said: ["backbone"],
    means:
      "All of the network below the head. It turns an image into numbers, which are called features.",
  },
  {
    id: "head",
    term: "head",
    means: "The last layer. It turns features into one score for each of your classes.",
  },
  {
    id: "features",
    term: "features",
    said: ["features"],
    means: "The numbers that the backbone computes of an image. The head knows nothing else of it.",
  },
  {
    id: "parameter",
    term: "parameter, weight",
    said: ["parameters"],
    means: "A number inside the network that training can change.",
  },
  {
    id: "frozen",
    term: "frozen",
    means:
      "A frozen stage keeps its parameters and its statistics as they are. It still computes its output.",
  },
  {
    id: "trainable",
    term: "trainable",
    said: ["trainable"],
    means: "A step changes the parameters of a trainable stage.",
  },
  {
    id: "thaw",
    term: "thaw",
    said: ["thaw", "thawed"],
    means:
      "To make a frozen stage trainable again. In gradual unfreezing, later stages are thawed before earlier ones.",
  },
  {
    id: "loss",
    term: "loss",
    means:
      "How wrong the probabilities are: 0 if that of every label is 1, and that of every other class 0.",
  },
  {
    id: "forward",
    term: "forward pass",
    said: ["forward pass"],
    means: "The network computes its output from the images, from the stem up to the loss.",
  },
  {
    id: "backward",
    term: "backward pass",
    said: ["backward pass"],
    means: "The gradients are computed, from the loss down to the lowest trainable stage.",
  },
  {
    id: "gradient",
    term: "gradient",
    said: ["gradient", "gradients"],
    means:
      "It says for each number how the loss changes if that number changes. A step moves parameters against it.",
  },
  {
    id: "norm",
    term: "norm",
    said: ["norm"],
    means: "The length of many numbers together: the square root of the sum of their squares.",
  },
  {
    id: "step",
    term: "training step",
    said: ["training step"],
    means: "A forward pass, a backward pass, and an update of the trainable parameters.",
  },
  {
    id: "moved",
    term: "moved by",
    said: ["moved by", "moved most"],
    means: "The norm of the change of a stage's weights in a step, relative to the norm of them.",
  },
  {
    id: "learning-rate",
    term: "learning rate",
    said: ["learning rate", "learning rates"],
    means:
      "How far a step moves the parameters. Too high destroys what they know; too low wastes time.",
  },
  {
    id: "discriminative",
    term: "discriminative learning rates",
    said: ["discriminative learning rates"],
    means:
      "Different learning rates for different stages: low for early ones, which are general, high for the new head.",
  },
  {
    id: "layer-decay",
    term: "layer decay",
    said: ["layer decay"],
    means: "Each stage trains at this fraction of the learning rate of the stage above it.",
  },
  {
    id: "optimizer",
    term: "optimizer",
    said: ["optimizer"],
    means: "The rule that turns gradients into changes of the parameters, such as SGD or AdamW.",
  },
  {
    id: "momentum",
    term: "momentum",
    said: ["momentum"],
    means:
      "Part of the last step that is added to the next, so that steps in one direction add up.",
  },
  {
    id: "batch",
    term: "batch",
    said: ["batch"],
    means: "The images of one step. On this page every step has the same ones.",
  },
  {
    id: "unseen",
    term: "unseen images",
    said: ["unseen images"],
    means:
      "Images that no step trains on. They tell whether the network has learned or only memorised.",
  },
  {
    id: "probability",
    term: "probability",
    said: ["probabilities"],
    means:
      "How sure the network is of a class. Where an image has one label, those of all classes add up to 100 %; where it may have several, each stands by itself.",
  },
  {
    id: "batchnorm",
    term: "BatchNorm statistics",
    said: ["BatchNorm statistics"],
    means:
      "Running means and variances that a BatchNorm layer keeps of its input. In training mode every batch changes them, without any gradient.",
  },
  {
    id: "mode",
    term: "training mode, eval mode",
    said: ["training mode", "eval mode"],
    means:
      "In training mode BatchNorm follows the batch and dropout drops. In eval mode a layer does the same for an image each time.",
  },
  {
    id: "naive",
    term: "naive freezing",
    said: ["naive freezing", "Naive freezing"],
    means:
      "Only requires_grad = False, as in many tutorials. The stage stays in training mode, so its BatchNorm statistics change although its weights do not.",
  },
  {
    id: "pretrained",
    term: "pretrained weights",
    said: ["pretrained weights"],
    means: "Weights that were trained on many other images before, often on ImageNet.",
  },
  {
    id: "random",
    term: "random weights",
    said: ["random weights"],
    means: "Weights as they are before any training: drawn by chance, from the seed.",
  },
  {
    id: "seed",
    term: "seed",
    said: ["seed"],
    means: "A number that decides everything drawn by chance. The same seed gives the same steps.",
  },
  {
    id: "feature-extraction",
    term: "feature extraction",
    said: ["feature extraction", "Feature extraction"],
    means: "The whole backbone is frozen, and only the head trains, on features.",
  },
  {
    id: "fine-tuning",
    term: "fine-tuning",
    said: ["fine-tuning", "Fine-tuning"],
    means: "Stages of the pretrained backbone train, too, usually at a low learning rate.",
  },
  {
    id: "multiply-adds",
    term: "multiply-adds",
    said: ["multiply-adds"],
    means: "Products that are added up: the usual measure of how much a network computes.",
  },
  {
    id: "memory",
    term: "memory of a step",
    said: ["memory"],
    means:
      "What a step keeps beside the weights: what the backward pass needs of the forward pass, the gradients, and the optimizer's state.",
  },
  {
    id: "computed-once",
    term: "computed once",
    means:
      "What frozen stages compute of an image never changes. A run computes it once and stores it. This page computes it in each step, to show it.",
  },
  {
    id: "gradient-flow",
    term: "gradient flow, own gradient",
    means:
      "The flow is the gradient that arrives at the output of a stage. The own gradient is that of its parameters: a frozen stage has none.",
  },
  {
    id: "filters",
    term: "filters",
    said: ["filters"],
    means: "The small patterns that the first layer looks for in an image: edges, colours.",
  },
  {
    id: "lane",
    term: "lane",
    means: "One network with its settings. Two lanes get the same images and the same seed.",
  },
];
