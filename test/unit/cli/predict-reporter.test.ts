import { expect } from "chai";
import { PredictReporter } from "../../../lib/cli/display/predict-reporter.js";
import type { ClassifiedImage } from "../../../lib/index.js";
import { recordedOutput } from "../../support/recorded-output.js";

const image = (path: string): ClassifiedImage => ({ path,
  predictions: [{ label: 2, className: "cat\u001b[2J", probability: 0.75 }, { label: 0, className: "dog",
    probability: 0.2 }] });

describe("the report of predictions", () => {
  let time = 0;
  let { output, lines, notices, events } = recordedOutput();
  beforeEach(() => {
    time = 0;
    ({ output, lines, notices, events } = recordedOutput());
  });

  it("has a row for each class, without control characters", () => {
    const reporter = new PredictReporter(output, 1);
    reporter.classified(image("a.png"));
    expect(lines.join("\n")).to.match(/^a\.png\n/).and.match(/│ cat \[2J │ +2 │ +75\.0 % │\n│ dog +│ +0 │ +20\.0 % │/);
    expect(events).to.deep.equal([{ type: "prediction", ...image("a.png") }]);
    expect(reporter.images).to.equal(1);
    reporter.close();
  });

  it("estimates the time that is left, once in a while", () => {
    const reporter = new PredictReporter(output, 5, () => time);
    time = 4000;
    reporter.classified(image("a.png"));
    expect(notices).to.deep.equal([]);
    time = 12_000;
    reporter.skipped("b.png", "it is broken");
    // Two images in 12 s: three more take 18.
    expect(notices).to.deep.equal(["skipped b.png: it is broken", "2 of 5 images, 18s left"]);
    reporter.close();
  });

  it("ends with counts and speed", () => {
    const reporter = new PredictReporter(output, 3, () => time);
    reporter.classified(image("a.png"));
    reporter.classified(image("c.png"));
    reporter.skipped("b.png", "it is broken");
    time = 500;
    reporter.close();
    reporter.summary();
    expect(lines.at(-1)).to.equal("2 of 3 images, 1 skipped, 4 images/s");
    expect(events.at(-1)).to.deep.equal({ type: "predicted", images: 2, skipped: 1, total: 3, seconds: 0.5 });
  });
});
