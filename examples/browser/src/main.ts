// Loads the network of ?model=DIRECTORY, by default of `student`, and classifies pictures that are dropped, pasted or
// chosen.
import { Classifier } from "./classifier.js";
import { Downloads, PageError } from "./downloads.js";
import { type Device, hasWebGpu } from "./runtime.js";
import { device, drop, file, showDevices, showError, showNetwork, showPicture, showProgress,
  showResult } from "./view.js";

const parameters = new URLSearchParams(location.search);
const directory = parameters.get("model") ?? "student";
const chosen: Device = parameters.get("device") === "webgpu" ? "webgpu" : "wasm";

function report(error: unknown): void {
  console.error(error);
  showError(error instanceof PageError ? error.message : `Something went wrong: ${String(error)}`);
}

const loading = Classifier.load(directory, chosen, new Downloads(showProgress));
loading.then(showNetwork, report);

let latest: File | undefined;

async function classify(picture: File | undefined): Promise<void> {
  latest = picture;
  showPicture(picture ?? null);
  try {
    if (picture === undefined) throw new PageError("That is no file. Drop, paste or choose the file of a picture.");
    const classifier = await loading;
    // Of several pictures in short order, the last counts.
    if (picture !== latest) return;
    const result = await classifier.classify(picture);
    if (picture === latest) showResult(result, classifier);
  } catch (error) {
    if (picture === latest) {
      showPicture(null);
      report(error);
    }
  }
}

file.addEventListener("change", () => {
  const [picture] = file.files ?? [];
  if (picture !== undefined) void classify(picture);
  // The same file may be chosen a second time.
  file.value = "";
});
document.addEventListener("paste", ({ clipboardData }) => {
  const [picture] = clipboardData?.files ?? [];
  void classify(picture);
});
// Anywhere on the page: a file that misses the field would replace the page.
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
document.addEventListener("dragleave", ({ relatedTarget }) => {
  if (relatedTarget === null) drop.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  void classify(event.dataTransfer?.files[0]);
});

if (await hasWebGpu()) showDevices(chosen);
device.addEventListener("change", () => {
  parameters.set("device", device.value);
  location.search = parameters.toString();
});
