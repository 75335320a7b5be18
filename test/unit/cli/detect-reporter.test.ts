import { expect } from "chai";
import { DetectReporter } from "../../../lib/cli/display/detect-reporter.js";
import { Tensor, type DetectedImage } from "../../../lib/index.js";
import { recordedOutput } from "../../support/recorded-output.js";

function image(path: string): DetectedImage {
  return { path, size: [20, 30],
    detections: { boxes: Tensor.from(Float32Array.of(1, 2, 3.25, 4), [1, 4]),
      scores: Tensor.from(Float32Array.of(0.75), [1]), labels: Tensor.from(BigInt64Array.of(2n), [1]) } };
}

describe("the report of detections", () => {
  let time = 0;
  let { output, lines, notices, events } = recordedOutput();
  beforeEach(() => {
    time = 0;
    ({ output, lines, notices, events } = recordedOutput());
  });

  it("has a row for each object, with its number where the class has no name", () => {
    const reporter = new DetectReporter(output, [null, "cat"], 1);
    reporter.found(image("a.png"), undefined);
    expect(lines.join("\n")).to.match(/^a\.png\n/).and.match(/│ 2 +│ 0\.750 │ 1\.0 │ 2\.0 │ 3\.3 │ 4\.0 │/);
    expect(events).to.deep.equal([{ type: "detections", path: "a.png", height: 20, width: 30,
      detections: [{ label: 2, name: null, score: 0.75, box: [1, 2, 3.25, 4] }] }]);
    reporter.close();
  });

  it("estimates the time that is left, once in a while", () => {
    const reporter = new DetectReporter(output, [], 5, () => time);
    time = 4000;
    reporter.found(image("a.png"), undefined);
    expect(notices).to.deep.equal([]);
    time = 12_000;
    reporter.skipped("b.png", "it is broken");
    // Two images in 12 s: three more take 18.
    expect(notices).to.deep.equal(["skipped b.png: it is broken", "2 of 5 images, 18s left"]);
    reporter.close();
  });

  it("ends with counts", () => {
    const reporter = new DetectReporter(output, [], 3, () => time);
    reporter.found(image("a.png"), "out/a.png");
    reporter.skipped("b.png", "it is broken");
    time = 2000;
    reporter.close();
    reporter.summary("out");
    expect(lines.at(-1)).to.equal("1 object in 1 of 3 images, 1 skipped; results are in out");
    expect(events.at(-1)).to.deep.equal({ type: "detected", images: 1, skipped: 1, objects: 1, total: 3, seconds: 2,
      out: "out" });
  });
});
