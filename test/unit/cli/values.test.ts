import { expect } from "chai";
import { isReviewKdError, schemas } from "../../../lib/index.js";
import { channelMeans, channelStds, count, counts, DATA_SPECS, dataSpec, imageSide, imageSize, nonNegativeNumber, oneOf,
  positiveCount, positiveNumber, text } from "../../../lib/cli/options/values.js";

function rejection(read: () => unknown): { code: string; message: string } {
  try {
    read();
  } catch (error) {
    if (isReviewKdError(error)) return error;
    throw error;
  }
  throw new Error("missing rejection");
}

describe("cli/values", () => {
  it("parses integers", () => {
    expect(positiveCount("--epochs")("12")).to.equal(12);
    expect(count("--seed")("0")).to.equal(0);
  });

  for (const bad of ["NaN", "abc", "-3", "0", "1.5", "1e3", "", " ", "12abc", "Infinity", "0x10", "9007199254740993"]) {
    it(`rejects "${bad}" as a number of epochs and names the option`, () => {
      const { code, message } = rejection(() => positiveCount("--epochs")(bad));
      expect(code).to.equal("INVALID_ARGUMENT");
      expect(message).to.equal(`invalid --epochs: expected a whole number ≥ 1, received "${bad}".`);
    });
  }

  it("reads a number for each channel", () => {
    expect(channelMeans("--mean")("0.485, .456,-4e-1")).to.deep.equal([0.485, 0.456, -0.4]);
    for (const bad of ["", "1,2", "1,2,3,4", "1,2,x", "1,,3"]) {
      expect(rejection(() => channelMeans("--mean")(bad)).message).to.include(
        "invalid --mean: expected three numbers separated by commas",
      );
    }
  });

  it("rejects statistics of bytes, and deviations of 0", () => {
    expect(rejection(() => channelMeans("--mean")("0.4,116,103")).message).to.equal(
      'invalid --mean: expected a mean from -4 to 4 (of pixels divided by 255) for each channel, received "116".',
    );
    expect(channelStds("--std")("4,0.2,1")).to.deep.equal([4, 0.2, 1]);
    for (const [given, wrong] of [["0,0,0", "0"], ["58,57,57", "58"], ["0.2,0.2,-1", "-1"]] as const) {
      expect(rejection(() => channelStds("--std")(given)).message).to.equal(
        `invalid --std: expected a standard deviation above 0 and up to 4 (of pixels divided by 255) for each channel, received "${wrong}".`,
      );
    }
  });

  it("parses image sizes, with one number for both sides", () => {
    const read = imageSize("--image-size");
    expect(["224", "64x96", "64×96", " 1x1 "].map((value) => read(value))).to.deep.equal([[224, 224], [64, 96], [64,
      96], [1, 1]]);
  });

  for (const bad of ["", "0", "64x", "x64", "64x0", "64x96x3", "-4", "1.5", "16385", "large"]) {
    it(`rejects "${bad}" as an image size`, () => {
      expect(rejection(() => imageSize("--image-size")(bad)).message)
        .to.equal(`invalid --image-size: expected HEIGHTxWIDTH or one number, from 1 to 16384, received "${bad}".`);
    });
  }

  it("parses a side of images", () => {
    expect(imageSide("--resize-size")("256")).to.equal(256);
    for (const bad of ["0", "16385", "1.5", "64x64"]) {
      expect(rejection(() => imageSide("--resize-size")(bad)).message)
        .to.equal(`invalid --resize-size: expected a whole number from 1 to 16384, received "${bad}".`);
    }
  });

  it("parses real numbers in common notations", () => {
    const read = positiveNumber("--learning-rate");
    expect(["0.1", ".1", "1e-1", "1.E-1", "+0.1"].map((value) => read(value))).to.deep.equal([0.1, 0.1, 0.1, 0.1, 0.1]);
    expect(nonNegativeNumber("--weight")("0")).to.equal(0);
  });

  for (const bad of ["NaN", "Infinity", "-0.1", "0", "1e999", "0,1", "fast"]) {
    it(`rejects "${bad}" as a learning rate`, () => {
      expect(rejection(() => positiveNumber("--learning-rate")(bad)).message)
        .to.equal(`invalid --learning-rate: expected a number > 0, received "${bad}".`);
    });
  }

  it("parses lists of integers and rejects a list with a gap", () => {
    expect(counts("--milestones")("150,180, 210")).to.deep.equal([150, 180, 210]);
    for (const bad of ["1,,2", "", "1,-2", "1,NaN"])
      expect(rejection(() => counts("--milestones")(bad)).code).to.equal("INVALID_ARGUMENT");
  });

  it("lists the accepted words", () => {
    const device = oneOf(["cpu", "cuda"])("--device");
    expect(device("cuda")).to.equal("cuda");
    expect(rejection(() => device("gpu")).message).to.equal(
      'invalid --device: expected one of cpu, cuda, received "gpu". Did you mean cuda?',
    );
    expect(rejection(() => device("abacus")).message).to.equal(
      'invalid --device: expected one of cpu, cuda, received "abacus".',
    );
  });

  it("rejects an empty text", () => {
    expect(text("--run")("a")).to.equal("a");
    expect(rejection(() => text("--run")("")).message).to.include("--run");
  });

  it("parses data sources, with colons in the directory", () => {
    const read = dataSpec("--data");
    expect(read("cifar100:/tmp/c:100")).to.deep.equal({ kind: "cifar100", root: "/tmp/c:100" });
    expect(read("image-folder:data/birds")).to.deep.equal({ kind: "image-folder", root: "data/birds" });
    expect(read("idx:data/mnist")).to.deep.equal({ kind: "idx", root: "data/mnist" });
    expect(read("synthetic")).to.deep.equal({ kind: "synthetic" });
    expect(read("synthetic:numClasses=4,trainSamples=64")).to.deep.equal({ kind: "synthetic", numClasses: 4,
      trainSamples: 64 });
  });

  it("accepts every stored data set, those with a root as kind:DIR", () => {
    for (const { shape } of schemas.StoredDataSource.options) {
      const kind = shape.kind.value;
      const spec = "root" in shape ? `${kind}:DIR` : kind;
      expect(DATA_SPECS).to.include(spec);
      expect(dataSpec("--data")(spec)).to.deep.equal("root" in shape ? { kind, root: "DIR" } : { kind });
    }
  });

  it("lists the kinds of data for an unknown one", () => {
    const { code, message } = rejection(() => dataSpec("--data")("cifar:DIR"));
    expect(code).to.equal("UNKNOWN_NAME");
    expect(message).to.include("cifar100:DIR").and.include('received "cifar:DIR"');
  });

  it("explains how to get a data set whose directory is missing", () => {
    expect(rejection(() => dataSpec("--data")("cifar100")).message).to.include("reviewkd data fetch cifar100");
    expect(rejection(() => dataSpec("--data")("idx:")).message).to.include("idx:DIR").and.include(
      "train-images-idx3-ubyte",
    );
    expect(rejection(() => dataSpec("--data")("image-folder")).message).to.include("train/CLASS/*.jpg");
  });

  it("rejects synthetic settings that are not numbers", () => {
    for (const bad of ["synthetic:numClasses", "synthetic:=4", "synthetic:numClasses=NaN"]) {
      expect(rejection(() => dataSpec("--data")(bad)).code).to.equal("INVALID_ARGUMENT");
    }
  });
});
