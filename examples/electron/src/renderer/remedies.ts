// What to do about each failure. The compiler holds the list against the package's codes.
import type { ErrorCode } from "reviewkd/worker";

const REMEDIES: Readonly<Record<ErrorCode, string>> = {
  INVALID_ARGUMENT: "Correct the value that is named and try again.",
  UNKNOWN_NAME: "Choose one of the names that there are.",
  CONFIG_INVALID: "Correct the setting that is named and start again.",
  SHAPE_MISMATCH: "These networks or images do not fit each other. Choose another pair, or another image size.",
  DTYPE_MISMATCH: "The data have another element type than was expected. Choose other data.",
  DEVICE_MISMATCH: "Another training moved the network to another device. Start this one again, on the same device.",
  STATE_DICT_MISMATCH: "The weights are of another network, or of another number of classes. Choose the network that they belong to, or another file.",
  LABEL_OUT_OF_RANGE: "The data name a class that the network does not have. Look into the data's labels.",
  BATCH_TOO_SMALL: "Choose a batch size of two or more that leaves no single image over.",
  NON_FINITE_LOSS: "The training became unstable. Start again with a lower learning rate.",
  DISPOSED: "Close the application and open it again.",
  ABORTED: "It was stopped and saved. Resume it when you like.",
  FILE_NOT_FOUND: "Look whether the file was moved, and choose it again. A run that saved nothing yet has nothing to export.",
  FILE_CORRUPT: "The file is damaged. Take another copy of it; a run goes on from its checkpoint before.",
  FILE_UNSUPPORTED: "Choose a .safetensors, .pt or .pth file.",
  FILE_ACCESS: "Look whether you may read and write there, and whether the disk has room. Then resume.",
  RUN_DIRECTORY: "The run's directory is not as it was left. Restore its files, or start a new run.",
  RUN_MISMATCH: "The run was begun with other settings. Start a new run.",
  RUN_LOCKED: "Stop the run that is under way, or wait for its end.",
  SAVE_FAILED: "Make room on the disk, then resume: what was saved before is whole.",
  DOWNLOAD_FAILED: "Look whether the network can be reached, and try again.",
  CHECKSUM_MISMATCH: "The download is not what it should be. Try again.",
  CUDA_UNAVAILABLE: "Train on the CPU, or run `npx reviewkd doctor`, which tells what the GPU lacks.",
  DEPENDENCY_MISSING: "Install what is named (folders of images need `npm install sharp`), and start the application anew.",
  ADDON_NOT_FOUND: "The installation is incomplete. Run the command at the end of the message.",
  ADDON_LOAD_FAILED: "The installation does not fit this machine. Run the command at the end of the message.",
  WORKER_EXITED: "The worker exited; the application keeps running. Resume the run: it continues from its last checkpoint.",
  OUT_OF_MEMORY: "Choose a smaller batch size or smaller networks.",
  INTERNAL: "This should not happen. Resume or start again; if it comes back, report it with the message.",
};

/** What to do about a failure with this code. */
export function remedyFor(code: string): string {
  return Object.hasOwn(REMEDIES, code) ? REMEDIES[code as ErrorCode] : REMEDIES.INTERNAL;
}
