// A remedy for each failure of which this application knows more than the message says.
import type { ErrorCode } from "reviewkd/worker";

const REMEDIES: Readonly<Partial<Record<ErrorCode, string>>> = {
  INVALID_ARGUMENT: "Correct the value that is named and try again.",
  UNKNOWN_NAME: "Choose one of the listed names.",
  CONFIG_INVALID: "Correct the setting that is named and start again.",
  SHAPE_MISMATCH: "These networks or images do not match. Choose another pair, or another image size.",
  DTYPE_MISMATCH: "The data have an unexpected element type. Choose other data.",
  DEVICE_MISMATCH: "Another training moved the network to another device. Start this one again, on the same device.",
  STATE_DICT_MISMATCH:
    "The weights belong to another network, or another number of classes. Choose that network, or another file.",
  LABEL_OUT_OF_RANGE: "The data contain a class that the network does not have. Check the data's labels.",
  BATCH_TOO_SMALL: "Choose a batch size of two or more that leaves no batch with a single image.",
  NON_FINITE_LOSS: "The training became unstable. Start again with a lower learning rate.",
  DISPOSED: "Close the application and open it again.",
  ABORTED: "The run was stopped and saved. Resume it at any time.",
  FILE_NOT_FOUND:
    "Check whether the file was moved, and choose it again. A run that has not saved yet has nothing to export.",
  FILE_CORRUPT: "The file is damaged. Use another copy of it; a run resumes from its previous checkpoint.",
  FILE_UNSUPPORTED: "Choose a .safetensors, .pt or .pth file.",
  FILE_ACCESS: "Check the permissions and the free space on the disk. Then resume.",
  RUN_DIRECTORY: "The run's directory was changed. Restore its files, or start a new run.",
  RUN_MISMATCH: "The run was started with other settings. Start a new run.",
  RUN_LOCKED: "Stop the active run, or wait for its end.",
  SAVE_FAILED: "Free space on the disk, then resume: the previous checkpoint is intact.",
  DOWNLOAD_FAILED: "Check the network connection, and try again.",
  CHECKSUM_MISMATCH: "The download is not the expected file. Try again.",
  CUDA_UNAVAILABLE: "Train on the CPU, or run `npx reviewkd doctor`, which reports why the GPU is unavailable.",
  DEPENDENCY_MISSING:
    "Install the named package (folders of images need `npm install sharp`), and restart the application.",
  ADDON_NOT_FOUND: "The installation is incomplete. Run the command at the end of the message.",
  ADDON_LOAD_FAILED: "The installation does not match this machine. Run the command at the end of the message.",
  WORKER_EXITED:
    "The worker exited; the application is still running. Resume the run: it continues from its last checkpoint.",
  OUT_OF_MEMORY: "Choose a smaller batch size or smaller networks.",
  INTERNAL: "This should not happen. Resume or restart; if it happens again, report it with the message.",
};

/** The remedy for a failure with this code. */
export function remedyFor(code: string): string {
  return (Object.hasOwn(REMEDIES, code) && REMEDIES[code as ErrorCode]) || "Do what the message says, and try again.";
}
