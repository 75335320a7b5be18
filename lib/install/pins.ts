// The wheels that the package downloads, each pinned by its SHA-256.
import { readFileSync } from "node:fs";

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

export const defaultPins = JSON.parse(readFileSync(new URL("./pins.json", import.meta.url), "utf8")) as Pins;
