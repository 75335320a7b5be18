import type { ClassifiedImage } from "../../index.js";
import { formatPercent, printable } from "./format.js";
import { ImageReporter } from "./image-reporter.js";
import type { Output } from "./output.js";
import { renderTable } from "./table.js";

/** Prints the classes of each image, and the progress. */
export class PredictReporter extends ImageReporter {
  constructor(output: Output, total: number, now = () => performance.now()) {
    super(output, "predict", total, now);
  }

  classified({ path, predictions }: ClassifiedImage): void {
    this.done(() => {
      this.output.event({ type: "prediction", path, predictions });
      this.output.line(`${printable(path)}\n${predictionTable(predictions)}`);
    });
  }

  summary(): void {
    const counts = this.counts();
    this.output.event({ type: "predicted", ...counts });
    this.output.line(`${this.countText()}, ${(counts.images / counts.seconds).toFixed(0)} images/s`);
  }
}

function predictionTable(predictions: ClassifiedImage["predictions"]): string {
  return renderTable(["class", "label", "probability"], predictions.map((
    { label, className, probability },
  ) => [printable(className), String(label), `${formatPercent(100 * probability)} %`]), ["label", "probability"]);
}
