// Detectors in several processes: the same losses in all, and COCO's results of one process.
import { join } from "node:path";
import { expect } from "chai";
import { writeCocoFolder } from "../../support/coco-folder.js";
import { useDirectory } from "../helpers.js";
import { reportsOf, succeedTogether, textOf } from "./ranks.js";

interface Unchanged {
  readonly own: { readonly frozen: readonly string[]; readonly trained: number };
  readonly synced: Unchanged["own"];
  readonly teacher: { readonly weights: readonly string[]; readonly statistics: number };
}

describe("networks of which a part is frozen, in several processes", function () {
  this.timeout(120_000);

  it("keep every bit of it", async () => {
    // Means of three values round, even if all are the same.
    const results = await succeedTogether(3, { program: "unchanged.mjs", words: [] });
    for (const { own, synced, teacher } of reportsOf(...results) as unknown as Unchanged[]) {
      for (const { frozen, trained } of [own, synced]) {
        expect(frozen, textOf(results)).to.deep.equal([]);
        expect(trained).to.be.above(5);
      }
      expect(teacher.weights).to.deep.equal([]);
      expect(teacher.statistics).to.be.above(5);
    }
  });
});

describe("detectors in several processes", function () {
  this.timeout(240_000);
  const directory = useDirectory();

  const sources: readonly (readonly [name: string, network: string, of: () => object | Promise<object>])[] = [
    ["scenes", "mask-rcnn-resnet18-fpn", () => ({ kind: "scenes", trainSamples: 9, testSamples: 7, imageSize: 48 })],
    ["files as of COCO", "retinanet-resnet18-fpn", async () => {
      const root = join(directory.path, "coco");
      await writeCocoFolder(root, { train: 9, val: 7 });
      return { kind: "coco", root };
    }],
  ];
  for (const [name, network, of] of sources) {
    it(`train together and are judged as by one process: ${name}`, async () => {
      const results = await succeedTogether(2, { program: "detect.mjs", words: [network, JSON.stringify(await of())] });
      const [first, second] = reportsOf(...results);
      expect(first!["losses"]).to.deep.equal(second!["losses"]);
      expect(first!["test"]).to.deep.equal(second!["test"]);
      expect((first!["losses"] as { total: number }).total, textOf(results)).to.be.above(0);
      for (const { together, alone } of [first!, second!] as unknown as { together: object[]; alone: object[] }[]) {
        expect(together).to.have.length(2);
        expect(together).to.deep.equal(alone);
        expect(together[0]).to.have.property("ap").that.is.a("number");
      }
    });
  }
});
