// A checkpoint holds no random state. It need not, if nothing draws random numbers but from seed, epoch and position,
// or to initialise.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { createDistiller, createModel, createSession, listMethods, loadDataset, type Dataset, type MethodInput,
  type Session } from "../../../lib/index.js";
import { CLASSES, smallData, smallDistiller, smallModel, weightsOf } from "./small-training.js";

describe("random state", () => {
  const sources = readdirSync("native", { recursive: true, encoding: "utf8" }).filter((name) =>
    /\.(cpp|h|cu|cuh)$/.test(name) && !name.startsWith("tests")
  );
  const code = (name: string): string => readFileSync(join("native", name), "utf8").replace(/\/\/.*$/gm, "");

  it("is that of nothing in native code: no generator but those that initialise, no layer that draws", () => {
    const draws =
      /\b(dropout\w*|Dropout\w*|bernoulli_?|multinomial|rand|randn|randint|randperm|rand_like|randn_like|rrelu|manual_seed|getDefault\w*Generator|default_generator|mt19937\w*|random_device|std::rand|srand)\b/;
    expect(sources.length).to.be.above(50);
    expect(sources.filter((name) => draws.test(code(name)))).to.deep.equal([]);
  });

  it("is touched by functions named initialize and in init.cpp alone", () => {
    const generators = sources.filter((name) => /\bat::Generator\b|createCPUGenerator/.test(code(name)));
    const others = generators.filter((name) =>
      !/^core\/(?:models\/|distillation\/|registry\.cpp|onnx\/graph_network\.)/.test(name)
    );
    expect(others).to.deep.equal([]);
    expect(sources.filter((name) => code(name).includes("createCPUGenerator"))).to.deep.equal(["core/models/init.cpp"]);
  });

  describe("of libtorch's shared generator", () => {
    let data: Dataset;
    before(async () => {
      data = await smallData();
    });
    after(() => {
      data.dispose();
    });

    const epochOf = async (session: Session): Promise<Record<string, Float64Array>> => {
      await session.trainEpoch(data, { epoch: 0, epochs: 1, batchSize: 8, seed: 5 });
      return weightsOf(session.distiller ?? session.model);
    };

    // Whatever drew from what all share would find it elsewhere the second time.
    for (const { kind } of listMethods().filter((method) => method.kind !== "sum")) {
      it(`is not used by ${kind}`, async () => {
        const session = async (): Promise<Session> =>
          createSession({ distiller: await smallDistiller({ kind } as MethodInput), threads: 1 });
        expect(await epochOf(await session())).to.deep.equal(await epochOf(await session()));
      });
    }

    for (const name of ["resnet8", "wrn-16-1", "vgg8", "mobilenetv2-half", "shufflenetv1", "shufflenetv2",
      "mobilenetv1"]) {
      it(`is not used by ${name}`, async () => {
        using images = await loadDataset({ kind: "synthetic", numClasses: CLASSES, trainSamples: 8, testSamples: 4 });
        const weights = async (): Promise<Record<string, Float64Array>> => {
          using model = await createModel(name, { numClasses: CLASSES, seed: 1 });
          using session = await createSession({ model, threads: 1 });
          await session.trainEpoch(images, { epoch: 0, epochs: 1, batchSize: 4, seed: 5 });
          return await weightsOf(model);
        };
        expect(await weights()).to.deep.equal(await weights());
      });
    }

    it("is left out of the initialisation, too: a network does not depend on what was made before", async () => {
      const first = await weightsOf(await smallModel());
      await createDistiller({ teacher: await smallModel({ seed: 7 }), student: await smallModel({ seed: 8 }) });
      expect(await weightsOf(await smallModel())).to.deep.equal(first);
    });
  });
});
