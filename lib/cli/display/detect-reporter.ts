import { type DetectedImage, detectedObjects, type DetectedObject } from "../../index.js";
import { formatCount, printable } from "./format.js";
import { ImageReporter } from "./image-reporter.js";
import type { Output } from "./output.js";
import { renderTable } from "./table.js";

/** Prints what was found in each image, and the progress. */
export class DetectReporter extends ImageReporter {
  #objects = 0;

  constructor(output: Output, private readonly classNames: readonly (string | null)[], total: number,
    now = () => performance.now()) {
    super(output, "detect", total, now);
  }

  found({ path, size, detections }: DetectedImage, picture: string | undefined): void {
    const objects = detectedObjects(detections).map(({ label, ...rest }): FoundObject => ({ label,
      name: this.classNames[label] ?? null, ...rest })
    );
    this.#objects += objects.length;
    this.done(() => {
      this.output.event({ type: "detections", path, height: size[0], width: size[1], detections: objects,
        ...(picture !== undefined && { picture }) });
      if (objects.length === 0) this.output.line(`${printable(path)}: nothing found`);
      else this.output.line(`${printable(path)}\n${objectTable(objects)}`);
    });
  }

  summary(out: string | undefined): void {
    this.output.event({ type: "detected", ...this.counts(), objects: this.#objects,
      ...(out !== undefined && { out }) });
    this.output.line(
      `${formatCount(this.#objects)} ${this.#objects === 1 ? "object" : "objects"} in ${this.countText()}${out === undefined ? "" : `; results are in ${out}`}`,
    );
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
