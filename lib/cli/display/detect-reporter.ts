import type { DetectedImage } from "../../index.js";
import { formatCount, formatDuration } from "./format.js";
import type { Output } from "./output.js";
import { openProgress } from "./progress-bar.js";
import { renderTable } from "./table.js";

/** Prints what was found in each image, and the progress. */
export class DetectReporter {
  readonly #progress;
  readonly #started = performance.now();
  #images = 0;
  #skipped = 0;
  #objects = 0;

  constructor(private readonly output: Output, private readonly classNames: readonly (string | null)[],
    private readonly total: number) {
    this.#progress = openProgress(output);
  }

  found({ path, size, detections }: DetectedImage, picture: string | undefined): void {
    const [boxes, scores] = [detections.boxes.toTypedArray(), detections.scores.toTypedArray()];
    const labels = Array.from(detections.labels.toTypedArray() as BigInt64Array, Number);
    const objects = labels.map((label, index) => ({
      label,
      name: this.classNames[label] ?? null,
      score: Number(scores[index]),
      box: [0, 1, 2, 3].map((side) => Number(boxes[4 * index + side])),
    }));
    ++this.#images;
    this.#objects += objects.length;
    this.#progress.clear();
    this.output.event({ type: "detections", path, height: size[0], width: size[1], detections: objects,
      ...(picture !== undefined && { picture }) });
    this.output.line(objects.length === 0 ? `${plain(path)}: nothing found`
      : `${plain(path)}\n${
        renderTable(["class", "score", "x1", "y1", "x2", "y2"], objects.map((
          { label, name, score, box },
        ) => [plain(name ?? String(label)), score.toFixed(3), ...box.map((value) => value.toFixed(1))]), ["score", "x1",
          "y1", "x2", "y2"])
      }`);
    this.#update();
  }

  skipped(path: string, reason: string): void {
    ++this.#skipped;
    this.#progress.clear();
    this.output.event({ type: "skipped", path, reason });
    this.output.notice(`skipped ${plain(path)}: ${plain(reason)}`);
    this.#update();
  }

  readonly close = (): void => {
    this.#progress.clear();
  };

  summary(out: string | undefined): void {
    const seconds = (performance.now() - this.#started) / 1000;
    this.output.event({ type: "detected", images: this.#images, skipped: this.#skipped, objects: this.#objects,
      total: this.total, seconds, ...(out !== undefined && { out }) });
    const skipped = this.#skipped === 0 ? "" : `, ${formatCount(this.#skipped)} skipped`;
    this.output.line(`${formatCount(this.#objects)} objects in ${formatCount(this.#images)} of ` +
      `${formatCount(this.total)} images${skipped}${out === undefined ? "" : `; results are in ${out}`}`);
  }

  #update(): void {
    const done = this.#images + this.#skipped;
    if (done === this.total) return;
    const left = ((performance.now() - this.#started) / 1000 / done) * (this.total - done);
    const text = `${formatCount(done)} of ${formatCount(this.total)} images, ${formatDuration(left)} left`;
    this.#progress.update(done, this.total, { label: "detect", text }, () => {
      this.output.notice(text);
    });
  }
}

/** Names from files and weights, which are untrusted, without control characters. */
function plain(value: string): string {
  return value.replace(/\p{C}/gu, " ");
}
