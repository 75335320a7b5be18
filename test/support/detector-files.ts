/** Detectors' state dicts by the names of other files. */
import { expect } from "chai";
import type { StateDict, Tensor } from "../../lib/index.js";
import { floats } from "./numpy-files.js";
import { dict, pickle, text } from "./pytorch-files.js";

/** A state dict by torchvision's names until 0.12. */
export function oldNames(state: Readonly<StateDict>): StateDict {
  return renamed(state, (name) =>
    name
      .replace(/^(backbone\.fpn\.(?:inner|layer)_blocks\.\d+)\.0\./, "$1.")
      .replace(/^rpn\.head\.conv\.0\.0\./, "rpn.head.conv.")
      .replace(/^roi_heads\.mask_head\.(\d+)\.0\./, (_, index: string) => `roi_heads.mask_head.mask_fcn${+index + 1}.`)
      .replace(/^(head\.\w+\.conv)\.(\d+)\.0\./, (_, conv: string, index: string) => `${conv}.${2 * +index}.`));
}

/** The body of a ResNet by detectron2's names without prefix, and a classifier. */
export function msraNames(state: Readonly<StateDict>): StateDict {
  return renamed(state, (name) =>
    name
      .replace(/^bn1\./, "stem.conv1.norm.")
      .replace(/^conv1\./, "stem.conv1.")
      .replace(/^layer(\d)\.(\d+)\./, (_, layer: string, block: string) => `res${+layer + 1}.${block}.`)
      .replace("downsample.0.", "shortcut.")
      .replace("downsample.1.", "shortcut.norm.")
      .replace(/\.bn(\d)\./, ".conv$1.norm.")
      .replace(/^fc\./, "stem.fc."));
}

export function renamed(state: Readonly<StateDict>, rename: (name: string) => string): StateDict {
  return Object.fromEntries(Object.entries(state).map(([name, tensor]) => [rename(name), tensor]));
}

/** Entries that a test keeps. */
export function only(state: Readonly<StateDict>, keeps: (name: string) => boolean): StateDict {
  return Object.fromEntries(Object.entries(state).filter(([name]) => keeps(name)));
}

/** A file of detectron2's model zoo. */
export function zooFile(state: Readonly<StateDict>, author: string): Buffer {
  const entries = Object.entries(state).flatMap((
    [name, tensor],
  ) => [text(name), floats(tensor.shape, tensor.toTypedArray() as Float32Array)]);
  return pickle(dict(text("model"), dict(...entries), text("__author__"), text(author)));
}

/** Compares entries bit for bit. */
export function expectSameState(got: Readonly<StateDict>, want: Readonly<StateDict>): void {
  expect(Object.keys(got)).to.deep.equal(Object.keys(want));
  const different = Object.keys(want).filter((name) => !bytesOf(got[name]!).equals(bytesOf(want[name]!)));
  expect(different).to.deep.equal([]);
}

function bytesOf(tensor: Tensor): Buffer {
  const { buffer, byteOffset, byteLength } = tensor.toTypedArray();
  return Buffer.from(buffer, byteOffset, byteLength);
}
