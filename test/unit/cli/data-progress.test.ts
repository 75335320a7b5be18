import { expect } from "chai";
import type { LoadProgress } from "../../../lib/index.js";
import { openDataDisplay } from "../../../lib/cli/display/data-progress.js";

describe("the display of reading and evaluating data", () => {
  let time = 0;
  let notices: string[] = [];
  let events: object[] = [];
  const output = (json: boolean) => ({
    json,
    interactive: false,
    line: () => undefined,
    event: (event: object) => {
      if (json) events.push(event);
    },
    notice: (text: string) => notices.push(text),
  });
  const read = (path: string, done: number, unit: LoadProgress["unit"] = "bytes"): LoadProgress => ({ path, unit, done,
    total: 1000 });
  beforeEach(() => {
    [time, notices, events] = [0, [], []];
  });

  it("names the file, and estimates the time that is left of it, once in a while", () => {
    using display = openDataDisplay(output(false), () => time);
    display.loading(read("annotations/train.json", 0));
    time = 9000;
    display.loading(read("annotations/train.json", 250));
    expect(notices).to.deep.equal([]);
    time = 20_000;
    display.loading(read("annotations/train.json", 500));
    display.loading(read("annotations/train.json", 510));
    // Half of it in 20 s: the other half takes as long.
    expect(notices).to.deep.equal(["reading train.json: 500 B of 1000 B, 20s left"]);
  });

  it("starts a new estimate with each file", () => {
    using display = openDataDisplay(output(false), () => time);
    display.loading(read("train.txt", 0, "files"));
    time = 60_000;
    display.loading(read("train.txt", 1000, "files"));
    display.loading(read("val.txt", 0, "files"));
    time += 12_000;
    display.loading(read("val.txt", 750, "files"));
    expect(notices).to.deep.equal(["reading val.txt: 750 of 1,000 images, 4.0s left"]);
  });

  it("estimates the rest of an evaluation from its own images", () => {
    using display = openDataDisplay(output(false), () => time);
    display.loading(read("val.json", 1000));
    time = 100_000;
    display.evaluated(0, 50);
    time += 30_000;
    display.evaluated(10, 50);
    expect(notices).to.deep.equal(["10 of 50 images, 2m00s left"]);
  });

  it("gives events instead of lines where these are wanted", () => {
    using display = openDataDisplay(output(true), () => time);
    display.loading(read("val.json", 0));
    time = 20_000;
    display.loading(read("val.json", 500));
    display.evaluated(0, 50);
    time += 20_000;
    display.evaluated(10, 50);
    expect(events).to.deep.equal([{ type: "loading", path: "val.json", unit: "bytes", done: 500, total: 1000 }, {
      type: "evaluation-progress",
      done: 10,
      total: 50,
    }]);
    expect(notices).to.deep.equal([]);
  });
});
