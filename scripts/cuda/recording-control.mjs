// The connection of a program to the recording CUDA runtime that it runs on: native/cuda/recording/control.cpp. Imported before the package is.
import { constants } from "node:os";
import { join } from "node:path";

/**
 * @typedef {object} RecordingState
 * @property {number} deviceBytes allocated now
 * @property {number} deviceBytesPeak
 * @property {number} pinnedBytes
 * @property {number} streams alive
 * @property {number} events
 * @property {number} graphs that were not destroyed
 * @property {number} graphExecs
 * @property {number} captures under way
 *
 * @typedef {object} RecordingControl
 * @property {(path: string) => void} preload loads a library before anything requires it
 * @property {(name: string) => void} mark writes a line into the recording
 * @property {(list: string) => void} failNext such as `cudaStreamEndCapture:1`: that call fails, once
 * @property {() => RecordingState} state
 */

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {RecordingControl}
 */
export function connect(env = process.env) {
  const addon = env["REVIEWKD_RECORDING_CONTROL"];
  if (addon === undefined) throw new Error("expected REVIEWKD_RECORDING_CONTROL from `npm run check:cuda`, received nothing.");
  const module = { exports: /** @type {RecordingControl} */ ({}) };
  process.dlopen(module, addon, constants.dlopen.RTLD_NOW);
  // See core/ops/backend/device.cpp: the answer of a libtorch without its CUDA half is remembered.
  if (env["REVIEWKD_RECORDING_PRELOAD"] !== "0") module.exports.preload(join(env["REVIEWKD_LIBTORCH"] ?? "", "lib", "libtorch_cuda.so"));
  return module.exports;
}
