import { type DetectedImage, detectedObjects, type DetectedObject } from "../../index.js";
import { formatCount, formatTimeLeft, printable } from "./format.js";
import type { Output } from "./output.js";
import { openProgress } from "./progress-bar.js";
import { renderTable } from "./table.js";

/** Prints what was found in each image, and the progress. */
export class DetectReporter {
  readonly #progress;
  readonly #started: number;
  #images = 0;
  #skipped = 0;
  #objects = 0;

  constructor(private readonly output: Output, private readonly classNames: readonly (string | null)[],
    private readonly total: number, private readonly now = () => performance.now()) {
    this.#progress = openProgress(output, now);
    this.#started = now();
  }

  found({ path, size, detections }: DetectedImage, picture: string | undefined): void {
    const objects = detectedObjects(detections).map(({ label, ...rest }): FoundObject => ({ label,
      name: this.classNames[label] ?? null, ...rest })
    );
    ++this.#images;
    this.#objects += objects.length;
    this.#clearBar();
    this.output.event({ type: "detections", path, height: size[0], width: size[1], detections: objects,
      ...(picture !== undefined && { picture }) });
    if (objects.length === 0) this.output.line(`${printable(path)}: nothing found`);
    else this.output.line(`${printable(path)}\n${objectTable(objects)}`);
    this.#update();
  }

  skipped(path: string, reason: string): void {
    ++this.#skipped;
    this.#clearBar();
    this.output.event({ type: "skipped", path, reason });
    this.output.notice(`skipped ${printable(path)}: ${printable(reason)}`);
    this.#update();
  }

  /** Must be called however the search ends. */
  close(): void {
    this.#progress.clear();
  }

  summary(out: string | undefined): void {
    const seconds = (this.now() - this.#started) / 1000;
    this.output.event({ type: "detected", images: this.#images, skipped: this.#skipped, objects: this.#objects,
      total: this.total, seconds, ...(out !== undefined && { out }) });
    const skipped = this.#skipped === 0 ? "" : `, ${formatCount(this.#skipped)} skipped`;
    this.output.line(
      `${formatCount(this.#objects)} ${this.#objects === 1 ? "object" : "objects"} in ${formatCount(this.#images)} of ` +
        `${formatCount(this.total)} images${skipped}${out === undefined ? "" : `; results are in ${out}`}`,
    );
  }

  /** Makes room for lines. Elsewhere than on a terminal there is no bar, and clearing would put off the next line. */
  #clearBar(): void {
    if (this.output.interactive) this.#progress.clear();
  }

  #update(): void {
    const done = this.#images + this.#skipped;
    if (done === this.total) return;
    const timeLeft = formatTimeLeft({ startedAt: this.#started, done, total: this.total }, this.now());
    const text = `${formatCount(done)} of ${formatCount(this.total)} images${timeLeft}`;
    this.#progress.update(done, this.total, { label: "detect", text }, () => {
      this.output.notice(text);
    });
  }
}

interface FoundObject extends DetectedObject {
  readonly name: string | null;
}

function objectTable(objects: readonly FoundObject[]): string {
  const numbers = ["score", "x1", "y1", "x2", "y2"];
  const rows = objects.map((
    { label, name, score, box },
  ) => [printable(name ?? String(label)), score.toFixed(3), ...box.map((value) => value.toFixed(1))]);
  return renderTable(["class", ...numbers], rows, numbers);
}
