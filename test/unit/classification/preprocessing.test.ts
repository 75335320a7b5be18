import { expect } from "chai";
import { classifierMetadata, classNamesIn, preprocessingIn } from "../../../lib/api/metadata.js";
import { completePreprocessing, withAssumptions } from "../../../lib/api/classification/preprocessing.js";
import { CIFAR_NORMALIZATION, IMAGENET_NORMALIZATION } from "../../../lib/config/normalizations.js";

const OWN = { imageSize: [64, 64], resizeSize: 73, normalization: { mean: [0.1, 0.2, 0.3], std: [1, 2, 3] } } as const;
const NORMALIZATION = { mean: [...OWN.normalization.mean],
  std: [...OWN.normalization.std] } as typeof CIFAR_NORMALIZATION;

describe("the preprocessing of a classifier", () => {
  it("is that of the published network where nothing is known", () => {
    expect(completePreprocessing({}, [32, 32])).to.deep.equal({ imageSize: [32, 32], resizeSize: 32,
      normalization: CIFAR_NORMALIZATION, assumed: ["imageSize", "resizeSize", "normalization"] });
    expect(completePreprocessing({}, [224, 224])).to.deep.equal({ imageSize: [224, 224], resizeSize: 256,
      normalization: IMAGENET_NORMALIZATION, assumed: ["imageSize", "resizeSize", "normalization"] });
  });

  it("assumes only what is missing, in proportion to what is known", () => {
    expect(completePreprocessing({ imageSize: [112, 112], normalization: NORMALIZATION }, [224, 224])).to.deep.equal({
      imageSize: [112, 112],
      resizeSize: 128,
      normalization: NORMALIZATION,
      assumed: ["resizeSize"],
    });
  });

  it("is replaced by what a caller gives, whose size scales the resizing", () => {
    const model = completePreprocessing({}, [224, 224]);
    expect(withAssumptions({ imageSize: [112, 112] }, model)).to.deep.include({ imageSize: [112, 112], resizeSize: 128,
      assumed: ["normalization"] });
    expect(withAssumptions({ imageSize: [112, 112], resizeSize: 112, normalization: NORMALIZATION }, model)).to.deep
      .equal({ imageSize: [112, 112], resizeSize: 112, normalization: NORMALIZATION, assumed: [] });
  });

  it("survives the metadata of a file", () => {
    const metadata = classifierMetadata({ classNames: ["a", "b"], ...OWN, normalization: NORMALIZATION });
    expect(preprocessingIn(metadata)).to.deep.equal(OWN);
    expect(classNamesIn(metadata)).to.deep.equal(["a", "b"]);
    expect([preprocessingIn({}), classifierMetadata({ classNames: null })]).to.deep.equal([{}, {}]);
  });

  it("ignores metadata that are invalid, or demand huge images", () => {
    expect(preprocessingIn({ imageSize: "[1000000000,2]", resizeSize: "9000", normalization: "{}" })).to.deep.equal({});
    expect(preprocessingIn({ imageSize: "[32]", resizeSize: "-1", normalization: '{"mean":[0,0,0],"std":[0,1,1]}' })).to
      .deep.equal({});
    expect(preprocessingIn({ imageSize: "null", resizeSize: "64" })).to.deep.equal({ resizeSize: 64 });
  });
});
