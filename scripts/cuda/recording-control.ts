// Connects a program to the recording CUDA runtime on which it runs (native/cuda/recording/control.cpp). Must be
// imported before the package.
import { constants } from "node:os";
import { join } from "node:path";

export interface RecordingState {
  /** Currently allocated. */
  readonly deviceBytes: number;
  readonly deviceBytesPeak: number;
  readonly pinnedBytes: number;
  /** Alive. */
  readonly streams: number;
  readonly events: number;
  /** Not yet destroyed. */
  readonly graphs: number;
  readonly graphExecs: number;
  /** In progress. */
  readonly captures: number;
}

export interface RecordingControl {
  /** Loads a library before anything requires it. */
  readonly preload: (path: string) => void;
  /** Writes a line into the recording. */
  readonly mark: (name: string) => void;
  /** Lets one call fail, such as `cudaStreamEndCapture:1`. */
  readonly failNext: (list: string) => void;
  readonly state: () => RecordingState;
}

export function connect(env: NodeJS.ProcessEnv = process.env): RecordingControl {
  // @env REVIEWKD_RECORDING_CONTROL tests: The addon that controls the recording CUDA runtime, set by `npm run
  // check:cuda`. Default: none; the check fails.
  // @env REVIEWKD_RECORDING_PRELOAD tests: `0`: libtorch's CUDA half is not loaded first. Default: it is.
  const addon = env["REVIEWKD_RECORDING_CONTROL"];
  if (addon === undefined)
    throw new Error(
      "invalid environment: expected REVIEWKD_RECORDING_CONTROL, received nothing. Run `npm run check:cuda`.",
    );
  const module = { exports: {} as RecordingControl };
  process.dlopen(module, addon, constants.dlopen.RTLD_NOW);
  // See core/ops/backend/device.cpp: a libtorch that starts without its CUDA half never looks for it again.
  if (env["REVIEWKD_RECORDING_PRELOAD"] !== "0")
    module.exports.preload(join(env["REVIEWKD_LIBTORCH"] ?? "", "lib", "libtorch_cuda.so"));
  return module.exports;
}
