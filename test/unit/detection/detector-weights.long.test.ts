import { createHash } from "node:crypto";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { isPublishedWithoutEps } from "../../../lib/config/published-detectors.js";
import { convertWeights, createDetector, createModel, inspectWeights, readStateDict, readWeightsInfo, writeStateDict,
  type Detector, type StateDict, Tensor } from "../../../lib/index.js";
import { expectSameState, oldNames, only, renamed, zooFile } from "../../support/detector-files.js";
import { failureOf } from "../../support/errors.js";
import { AS_STORED } from "../../support/load-report.js";

// The smallest of each kind. Frozen norms, as in the files of others.
const RCNN = "faster-rcnn-mobilenetv2-fpn";
const MASK_RCNN = "mask-rcnn-mobilenetv2-fpn";
const RETINANET = "retinanet-mobilenetv2-fpn";
const FROZEN = { norm: "frozen", trainableLayers: 3 } as const;

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "reviewkd-detectors-"));
});
after(() => rm(folder, { recursive: true }));

const file = (name: string): string => join(folder, name);

describe("weights of detectors", function () {
  this.timeout(60_000);

  describe("saved by the package", () => {
    it("restore number of classes, flavor, switches and class names", async () => {
      const switches = { ...FROZEN, minSize: 96, maxSize: 128, boxNmsThresh: 0.6,
        anchorSizes: [[16], [32], [64], [128], [256]] };
      using saved = await createDetector(RCNN, { numClasses: 3, seed: 1, flavor: "detectron2", detection: switches });
      await saved.save(file("own.safetensors"), { classNames: ["cat", "dog"], categoryIds: [17, 18],
        metadata: { note: "mine" } });
      using loaded = await createDetector(RCNN, { weights: file("own.safetensors") });
      expect(loaded.numClasses).to.equal(3);
      expect(loaded.flavor).to.equal("detectron2");
      expect(loaded.detection).to.deep.equal(saved.detection);
      expect(loaded.classNames).to.deep.equal(["cat", "dog"]);
      expect(loaded.categoryIds).to.deep.equal([17, 18]);
      const state = await saved.stateDict();
      expectSameState(await loaded.stateDict(), state);
      expect(loaded.loadReport).to.deep.equal({ ...AS_STORED, matched: Object.keys(state).length, missing: [],
        unexpected: [], mismatched: [], unused: [], names: "torchvision", flavor: "detectron2", normEps: 1e-5 });
      const { metadata, detector, classNames } = await readWeightsInfo(file("own.safetensors"));
      expect(metadata).to.include({ model: RCNN, numClasses: "3", note: "mine" });
      expect(classNames).to.deep.equal(["cat", "dog"]);
      expect(detector).to.deep.equal({ kind: "faster-rcnn", names: "torchvision", flavor: "detectron2", switches,
        numClasses: 3, categoryIds: [17, 18] });
    });

    it("keep class names when saved again, also under detectron2's names", async () => {
      using loaded = await createDetector(RCNN, { weights: file("own.safetensors") });
      await loaded.save(file("again.pth"), { names: "detectron2" });
      expect((await readWeightsInfo(file("again.pth"))).tensors.map(({ name }) => name)).to.include(
        "proposal_generator.rpn_head.conv.weight",
      );
      using again = await createDetector(RCNN, { weights: file("again.pth") });
      expect(again.classNames).to.deep.equal(["cat", "dog"]);
      expect(again.categoryIds).to.deep.equal([17, 18]);
      expect(again.loadReport).to.deep.include({ names: "detectron2", missing: [], unexpected: [], unused: [] });
      // Rows of the background, which detectron2 lacks and no result depends on, are zero afterwards.
      const kept = (name: string): boolean => !name.includes("box_predictor.bbox_pred");
      expectSameState(only(await again.stateDict(), kept), only(await loaded.stateDict(), kept));
    });

    it("keep a flavor that their names do not show", async () => {
      using saved = await createDetector(RETINANET, { numClasses: 2, detection: FROZEN });
      await saved.save(file("flavor.pth"), { names: "detectron2" });
      using loaded = await createDetector(RETINANET, { weights: file("flavor.pth") });
      expect(loaded.flavor).to.equal("torchvision");
      expect(loaded.detection).to.deep.equal(saved.detection);
      expectSameState(await loaded.stateDict(), await saved.stateDict());
    });

    it("give way to options of the caller, except for a flavor that contradicts them", async () => {
      using loaded = await createDetector(RCNN, { weights: file("own.safetensors"), detection: { minSize: 64 } });
      expect(loaded.detection).to.include({ minSize: 64, maxSize: 128, boxNmsThresh: 0.6 });
      const { message } = await failureOf("INVALID_ARGUMENT",
        () => createDetector(RCNN, { weights: file("own.safetensors"), flavor: "torchvision" }));
      expect(message).to.contain('expected "detectron2"').and.to.contain('received "torchvision"');
    });
  });

  describe("of torchvision", () => {
    for (const [name, numClasses] of [[MASK_RCNN, 4], [RETINANET, 5]] as const) {
      it(`load under old names and a prefix: ${name}`, async () => {
        using origin = await createDetector(name, { numClasses, seed: 2, detection: FROZEN });
        const state = await origin.stateDict();
        await writeStateDict(file("old.pth"), renamed(oldNames(state), (entry) => `module.${entry}`));
        using loaded = await createDetector(name, { weights: file("old.pth") });
        expectSameState(await loaded.stateDict(), state);
        expect(loaded.numClasses).to.equal(numClasses);
        expect(loaded.flavor).to.equal("torchvision");
        expect(loaded.loadReport).to.deep.include({ matched: Object.keys(state).length, names: "torchvision-old",
          normEps: 1e-5 });
      });
    }

    it("load into frozen norms without the counters of trained ones, and the other way round", async () => {
      using trained = await createDetector(RETINANET, { numClasses: 2, seed: 3 });
      const state = await trained.stateDict();
      await writeStateDict(file("trained.pth"), state);
      using frozen = await createDetector(RETINANET, { weights: file("trained.pth") });
      const counters = Object.keys(state).filter((name) => name.endsWith("num_batches_tracked"));
      expect(counters).to.have.length.greaterThan(0);
      expect(frozen.loadReport!.unused).to.deep.equal(counters);
      await writeStateDict(file("frozen.pth"), await frozen.stateDict());
      using again = await createDetector(RETINANET, { weights: file("frozen.pth"), detection: { norm: "batch" } });
      expectSameState(await again.stateDict(), state);
      expect(again.loadReport).to.deep.include({ missing: [], normEps: null });
    });
  });

  describe("of the three files that torchvision published in 2019", () => {
    const published = "retinanet_resnet50_fpn_coco-eeacb38b.pth";
    let old: StateDict;
    before(async () => {
      using origin = await createDetector(RETINANET, { numClasses: 2, seed: 4, detection: FROZEN });
      old = oldNames(await origin.stateDict());
      await writeStateDict(file(published), old);
    });

    it("have norms without epsilon, which is reported and saved", async () => {
      using loaded = await createDetector(RETINANET, { weights: file(published) });
      expect(loaded.detection.normEps).to.equal(0);
      expect(loaded.loadReport!.normEps).to.equal(0);
      await loaded.save(file("without-eps.safetensors"));
      using again = await createDetector(RETINANET, { weights: file("without-eps.safetensors") });
      expect(again.detection.normEps).to.equal(0);
    });

    it("keep this when they are converted", async () => {
      await convertWeights(file(published), file("converted.safetensors"));
      using loaded = await createDetector(RETINANET, { weights: file("converted.safetensors") });
      expect(loaded.detection.normEps).to.equal(0);
      expect(loaded.flavor).to.equal("torchvision");
    });

    it("take another epsilon from the caller, but not from an existing detector", async () => {
      using stated = await createDetector(RETINANET, { weights: file(published), detection: { normEps: 1e-5 } });
      expect(stated.loadReport!.normEps).to.equal(1e-5);
      const { message } = await failureOf("INVALID_ARGUMENT", () => stated.load(file(published)));
      expect(message).to.contain("invalid normEps: expected 0").and.to.contain("received 0.00001");
      using fitting = await createDetector(RETINANET, { numClasses: 2, detection: { ...FROZEN, normEps: 0 } });
      expect((await fitting.load(file(published))).unexpected).to.deep.equal([]);
    });

    it("are recognized by their content under any name", async () => {
      await copyFile(file(published), file("renamed.pth"));
      expect(await isPublishedWithoutEps(file("renamed.pth"))).to.equal(false);
      const digest = createHash("sha256").update(await readFile(file("renamed.pth"))).digest("hex");
      expect(await isPublishedWithoutEps(file("renamed.pth"), [`other_coco-${digest.slice(0, 8)}`])).to.equal(true);
    });
  });

  describe("of detectron2", () => {
    let origin: Detector;
    before(async () => {
      origin = await createDetector(RETINANET, { numClasses: 3, seed: 5, flavor: "detectron2", detection: FROZEN });
      const state = await origin.stateDict({ names: "detectron2" });
      await writeFile(file("model_final.pkl"), zooFile(state, "Detectron2 Model Zoo"));
      await writeStateDict(file("model_final.pth"), { ...state, pixel_mean: state["head.cls_score.bias"]! });
    });
    after(() => {
      origin.dispose();
    });

    for (const [name, unused] of [["model_final.pkl", []], ["model_final.pth", ["pixel_mean"]]] as const) {
      it(`choose their flavor: ${name}`, async () => {
        using loaded = await createDetector(RETINANET, { weights: file(name) });
        expect(loaded.flavor).to.equal("detectron2");
        expect(loaded.numClasses).to.equal(3);
        expectSameState(await loaded.stateDict(), await origin.stateDict());
        expect(loaded.loadReport).to.deep.include({ names: "detectron2", missing: [], unexpected: [], unused });
      });
    }

    it("do not load into another flavor", async () => {
      for (const load of [
        () => createDetector(RETINANET, { weights: file("model_final.pth"), flavor: "torchvision" }),
        async () => {
          using other = await createDetector(RETINANET, { numClasses: 3 });
          await other.load(file("model_final.pth"), { strict: false });
        },
      ]) {
        const { message } = await failureOf("INVALID_ARGUMENT", load);
        expect(message).to.contain('invalid flavor: expected "detectron2"').and.to.contain("model_final.pth");
      }
    });

    it("say which map p6 is computed from", async () => {
      const state = await origin.stateDict({ names: "detectron2" });
      using p5 = await createDetector(RETINANET, { numClasses: 3, detection: FROZEN });
      const p6 = (await p5.stateDict())["backbone.fpn.extra_blocks.p6.weight"]!;
      await writeStateDict(file("p5.pth"), { ...state, "backbone.top_block.p6.weight": p6 });
      using loaded = await createDetector(RETINANET, { weights: file("p5.pth") });
      expect(loaded.detection.p6Source).to.equal("p5");
    });
  });

  describe("with other classes or entries", () => {
    before(async () => {
      using origin = await createDetector(RCNN, { numClasses: 4, seed: 6, detection: FROZEN });
      await origin.save(file("four.safetensors"), { classNames: ["a", "b", "c"] });
    });

    it("are not needed for a number of classes, which is torchvision's for COCO then", async () => {
      using detector = await createDetector(RETINANET);
      expect(detector.numClasses).to.equal(91);
      expect(detector.loadReport).to.equal(null);
      expect(detector.detection).to.include({ norm: "batch", trainableLayers: 5 });
    });

    it("are refused with both numbers", async () => {
      const { message } = await failureOf("STATE_DICT_MISMATCH",
        () => createDetector(RCNN, { weights: file("four.safetensors"), numClasses: 7 }));
      expect(message).to.contain("expected 4 as in").and.to.contain("received 7").and.to.contain("strict: false");
      using other = await createDetector(RCNN, { numClasses: 7, detection: FROZEN });
      expect((await failureOf("STATE_DICT_MISMATCH", () => other.load(file("four.safetensors")))).message).to.contain(
        "expected 4 as in",
      );
    });

    it("load all but the class layers if not strict", async () => {
      using fresh = await createDetector(RCNN, { numClasses: 7, seed: 8, detection: FROZEN });
      using loaded = await createDetector(RCNN, { weights: file("four.safetensors"), numClasses: 7, seed: 8,
        strict: false });
      const layers = ["cls_score.weight", "cls_score.bias", "bbox_pred.weight", "bbox_pred.bias"].map((name) =>
        `roi_heads.box_predictor.${name}`
      );
      expect(loaded.loadReport!.mismatched.map(({ name }) => name)).to.deep.equal(layers);
      expect(loaded.classNames).to.equal(null);
      const { state } = await readStateDict(file("four.safetensors"));
      const isClassLayer = (name: string): boolean => layers.includes(name);
      const got = await loaded.stateDict();
      expectSameState(only(got, isClassLayer), only(await fresh.stateDict(), isClassLayer));
      expectSameState(only(got, (name) => !isClassLayer(name)), only(state, (name) => !isClassLayer(name)));
    });

    it("are refused if nothing matches, or if they belong to another kind", async () => {
      for (const name of [RETINANET, MASK_RCNN]) {
        const { message } = await failureOf("STATE_DICT_MISMATCH", () =>
          createDetector(name, { weights: file("four.safetensors") }));
        expect(message).to.contain(`as ${name}, received a faster-rcnn in `).and.to.contain("backboneWeights");
      }
      using classifier = await createModel("mobilenetv2", { numClasses: 2 });
      await classifier.save(file("classifier.pth"));
      const { message } = await failureOf("STATE_DICT_MISMATCH",
        () => createDetector(RCNN, { weights: file("classifier.pth") }));
      expect(message).to.contain("received a network without a detector's heads").and.to.contain("backboneWeights");
      const { state } = await readStateDict(file("four.safetensors"));
      const [tensor] = Object.values(state);
      await writeStateDict(file("none.pth"), { "net.weight": tensor! });
      await failureOf("STATE_DICT_MISMATCH", () => createDetector(RCNN, { weights: file("none.pth"), strict: false }));
    });

    it("are refused with metadata that is no set of switches or demands too much memory", async () => {
      const { state } = await readStateDict(file("four.safetensors"));
      for (const detection of ["{", "[]", '{"minSize":"large"}', '{"minSize":100000}', '{"unknown":1}',
        JSON.stringify({ anchorRatios: Array.from({ length: 1000 }, () => 1) })]) {
        await writeStateDict(file("hostile.safetensors"), state, { flavor: "torchvision", detection });
        const { message } = await failureOf("FILE_CORRUPT", () =>
          createDetector(RCNN, { weights: file("hostile.safetensors") }));
        expect(message).to.contain('metadata "detection"').and.to.contain("hostile.safetensors");
        expect((await readWeightsInfo(file("hostile.safetensors"))).detector!.switches).to.equal(null);
      }
    });

    it("are refused with a code whatever the shapes of heads", async () => {
      const shapes = [[], [0], [5], [1_000_000_000, 0], [0, 1024], [7, 1023], [3, 256, 3]];
      const heads = ["roi_heads.box_predictor.cls_score.weight", "roi_heads.box_head.fc1.weight",
        "proposal_generator.rpn_head.objectness_logits.weight", "roi_heads.mask_head.predictor.weight"];
      for (const shape of shapes) {
        const values = new Float32Array(shape.reduce((product, length) => product * length, 1));
        await writeStateDict(file("shapes.safetensors"),
          Object.fromEntries(heads.map((name) => [name, Tensor.from(values, shape)])));
        for (const strict of [true, false]) {
          await failureOf("STATE_DICT_MISMATCH", () =>
            createDetector(MASK_RCNN, { weights: file("shapes.safetensors"), strict }));
        }
        expect((await inspectWeights(file("shapes.safetensors"))).fit, shape.join("×")).to.equal(null);
      }
    });

    it("are refused together with weights of a backbone, and a key without them", async () => {
      await failureOf("INVALID_ARGUMENT",
        () => createDetector(RCNN, { weights: file("four.safetensors"), backboneWeights: file("four.safetensors") }));
      await failureOf("INVALID_ARGUMENT", () => createDetector(RCNN, { key: "model" }));
      await failureOf("FILE_NOT_FOUND", () => createDetector(RCNN, { weights: file("absent.pth") }));
    });
  });

  describe("in an inspection", () => {
    it("fit the detector that they were saved from, whatever their names", async () => {
      using origin = await createDetector(MASK_RCNN, { numClasses: 6, seed: 9, detection: FROZEN });
      const entries = Object.keys(await origin.stateDict()).length;
      await origin.save(file("mask.safetensors"));
      await writeStateDict(file("mask-old.pth"), oldNames(await origin.stateDict()));
      await writeStateDict(file("mask-d2.pth"), await origin.stateDict({ names: "detectron2" }));
      for (const name of ["mask.safetensors", "mask-old.pth", "mask-d2.pth"]) {
        const { fit, detector } = await inspectWeights(file(name));
        expect(fit, name).to.deep.equal({ name: MASK_RCNN, numClasses: 6, matching: entries, entries,
          differences: { missing: [], unexpected: [], mismatched: [] }, prefix: "", layout: "", difference: "",
          otherPrefixes: [] });
        expect(detector, name).to.deep.include({ kind: "mask-rcnn", numClasses: 6 });
      }
      expect((await inspectWeights(file("mask-d2.pth"))).detector!.flavor).to.equal("detectron2");
    });

    it("fit a RetinaNet by the map that its p6 is computed from", async () => {
      using origin = await createDetector(RETINANET, { numClasses: 3, detection: { ...FROZEN, p6Source: "c5" } });
      await writeStateDict(file("c5.pth"), await origin.stateDict());
      const { fit } = await inspectWeights(file("c5.pth"));
      expect(fit).to.include({ name: RETINANET, numClasses: 3, matching: fit!.entries });
    });
  });
});
