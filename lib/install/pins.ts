// The wheels that the package downloads, each pinned by its SHA-256.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ReviewKdError } from "../errors.js";
import { packageRoot } from "./layout.js";
import { moduleFile } from "./runtime.js";

/** A set of wheels for one platform. */
export interface WheelSet {
  /** The CUDA release that the wheels were built for, such as `cu130`, or `cpu`. */
  readonly variant: string;
  /** Platform tags of the wheels, the most specific first. */
  readonly tags: readonly string[];
  /** SHA-256 by requirement, such as `torch==2.14.1`. */
  readonly wheels: Readonly<Record<string, string>>;
  /** Required while they are unpacked. */
  readonly diskMegabytes: number;
}

export interface Pins {
  readonly torch: string;
  /** Whose wheels are downloaded, whatever Python runs here. */
  readonly pythonVersion: string;
  /** `cuda`: both halves of a CUDA build, with NVIDIA's libraries. */
  readonly platforms: Readonly<Record<string, WheelSet & { readonly cuda?: WheelSet }>>;
}

/** Read from next to this module, or, if that is part of a bundle, from the package. */
function readPins(): Pins {
  const file = moduleFile();
  const directories = [...(file === undefined ? [] : [dirname(file)]), join(packageRoot(), "dist", "install")];
  const path = directories.map((directory) => join(directory, "pins.json")).find((candidate) => existsSync(candidate));
  if (path !== undefined) return JSON.parse(readFileSync(path, "utf8")) as Pins;
  throw new ReviewKdError("DEPENDENCY_MISSING",
    `invalid installation: expected the package's pins.json, received none in ${directories.join(" and ")}. Install the package next to the bundle (docs/bundlers.md), or install libtorch with \`npx reviewkd libtorch install --cuda\`.`);
}

export const defaultPins = readPins();
