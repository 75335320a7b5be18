import { expect } from "chai";
import { resolveCocoPaths } from "../../../../lib/datasets/detection/coco-layout.js";
import { failureOf } from "../../../support/errors.js";
import { writeFiles } from "../../../support/image-files.js";
import { scratchDirectory } from "../../lib/small-run.js";

const scratch = scratchDirectory();
const files = (...names: string[]): Promise<void> =>
  writeFiles(scratch(), Object.fromEntries(names.map((name) => [name, Buffer.from("x")])));

describe("paths of a COCO source", () => {
  it("are those of COCO's layout, or with the files next to the folders", async () => {
    await files("train2017/1.jpg", "val2017/2.jpg", "annotations/instances_train2017.json", "instances_val2017.json");
    expect(await resolveCocoPaths({ root: scratch() }, "train")).to.deep.equal({ images: scratch("train2017"),
      annotations: scratch("annotations", "instances_train2017.json") });
    expect(await resolveCocoPaths({ root: scratch() }, "val")).to.deep.equal({ images: scratch("val2017"),
      annotations: scratch("instances_val2017.json") });
  });

  it("name what a directory lacks", async () => {
    await files("train2017/1.jpg", "instances_train2017.json", "instances_val2017.json");
    const { message } = await failureOf("FILE_NOT_FOUND", () => resolveCocoPaths({ root: scratch() }, "val"));
    expect(message).to.include(
      `invalid COCO directory ${scratch()}: expected val2017 and annotations/instances_val2017.json, received no val2017.`,
    );
    await failureOf("FILE_NOT_FOUND", () => resolveCocoPaths({ root: scratch("none") }, "train"));
  });

  it("are the given ones, with one folder of images for both splits or two", async () => {
    const annotations = { train: "a.json", val: "b.json" };
    for (const [split, file] of [["train", "a.json"], ["val", "b.json"]] as const) {
      expect(await resolveCocoPaths({ images: "photos", annotations }, split)).to.deep.equal({ images: "photos",
        annotations: file });
    }
    expect((await resolveCocoPaths({ images: { train: "t", val: "v" }, annotations }, "val")).images).to.equal("v");
  });
});
