"""Training steps and choices of the best epoch: functions."""

import random

import torch

from broken.rules import Rules, again

STEPS, BEST = Rules(), Rules()


def step(message):
    """Note a training step that breaks a rule."""
    return lambda function: STEPS.note(function.__name__, message, lambda: function)


def best(message):
    """Note a choice of the best epoch that breaks a rule."""
    return lambda function: BEST.note(function.__name__, message, lambda: function)


def whole_step(model, images, labels, loss):
    logits = model(images)
    return loss(logits, labels).mean() + 0.01 * logits.square().mean()


def whole_best(history):
    return len(history) - 1


@step("fails: the result must be a loss, a single number, got a Tensor of shape (6,)")
def one_for_each_image(model, images, labels, loss):
    return loss(model(images), labels)


@step("fails: the result must be a loss with a graph")
def detached(model, images, labels, loss):
    return loss(model(images), labels).mean().detach()


@step("gives a loss without a gradient for backbone.0.0.weight, ")
def of_the_backbone(model, images, labels, loss):
    features = model.features(images) + 0 * sum(p.sum() for p in model.parameters()).detach()
    extra = torch.zeros((), requires_grad=True)
    return features.square().mean().detach() + extra


@step("fails in tlf_training_step with 6 images and targets (6, 3)")
def of_labels_only(model, images, labels, loss):
    logits = model(images)
    return -logits.log_softmax(1)[torch.arange(len(labels)), labels.view(len(images))].mean()


@step("gives inf for 1 images")
def of_a_batch(model, images, labels, loss):
    logits = model(images)
    return loss(logits, labels).mean() / (len(images) - 1)


@step("changes the images")
def writing(model, images, labels, loss):
    return loss(model(images.add_(1)), labels).mean()


@step("changes the gradient of backbone.0.0.weight")
def going_back(model, images, labels, loss):
    loss(model(images), labels).mean().backward()
    return loss(model(images), labels).mean()


@step("changes the weight head.bias")
def stepping(model, images, labels, loss):
    with torch.no_grad():
        model.head.bias += 1
    return loss(model(images), labels).mean()


@step("changes the mode of the model")
def switching(model, images, labels, loss):
    model.train(not model.training)
    return loss(model(images), labels).mean()


@step("under one seed")
def counting(model, images, labels, loss):
    return loss(model(images), labels).mean() * again("counting")


@step("draws from ['random'] in tlf_training_step")
def dicing(model, images, labels, loss):
    return loss(model(images), labels).mean() * random.random()


@best("fails: the result must be an epoch from 0 to 0, got 1")
def too_late(history):
    return len(history)


@best("fails: the result must be an epoch from 0 to 0, got 'head'")
def of_names(history):
    return "head"


@best("of the same 2. The contract: every process asks")
def alternating(history):
    return again("alternating") % len(history)


@best("draws random numbers (random) in tlf_select_best")
def chance(history):
    return random.randrange(len(history))


@best("fails in tlf_select_best: IndexError")
def second(history):
    return 1 if history[1].eval_loss else 0


@best("changes the results")
def forgetting(history):
    history[0].stages.clear()
    return 0


@best("changes the results")
def tidying(history):
    history[0].metrics["loss"] = 0.5
    return 0
