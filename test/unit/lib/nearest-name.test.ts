import { expect } from "chai";
import { METHOD_ALIASES, NETWORK_ALIASES } from "../../../lib/config/name-aliases.js";
import { findByName, listedBriefly, nearestName } from "../../../lib/config/nearest-name.js";
import type { ReviewKdError } from "../../../lib/errors.js";
import { listDetectors, listMethods, listModels } from "../../../lib/index.js";

describe("nearestName", () => {
  it("ignores case and punctuation", () => {
    expect(nearestName("ResNet56", ["resnet20", "resnet56"])).to.equal("resnet56");
    for (const name of ["wrn_40_2", "WRN-40-2", "wrn40.2", "Wrn 40 2"])
      expect(nearestName(name, ["wrn-16-1", "wrn-40-1", "wrn-40-2"])).to.equal("wrn-40-2");
  });

  it("prefers the same name to a closer spelling", () => {
    expect(nearestName("RESNET_8_X_4", ["resnet8", "resnet8x4"])).to.equal("resnet8x4");
  });

  it("finds nothing among distant names", () => {
    expect(nearestName("vgg", ["resnet20"])).to.equal(undefined);
    expect(nearestName("", ["resnet20"])).to.equal(undefined);
    expect(nearestName("crd", ["kd", "dkd"])).to.equal(undefined);
  });

  it("takes another depth and width for another network", () => {
    expect(nearestName("wrn-28-10", ["wrn-16-1", "wrn-40-2"])).to.equal(undefined);
    expect(nearestName("resnet57", ["resnet56", "resnet110"])).to.equal("resnet56");
    expect(nearestName("float23", ["float32", "bfloat16"])).to.equal("float32");
  });

  it("knows networks by the names of papers, toolboxes and hubs", () => {
    const networks = [...listModels().map(({ name }) => name), ...listDetectors()];
    const meant: Readonly<Record<string, string>> = {
      ShuffleV1: "shufflenetv1",
      ShuffleV2: "shufflenetv2",
      MobileNetV2: "mobilenetv2",
      vgg13_bn: "vgg13",
      resnet50_cifar: "resnet50-cifar",
      "resnet-20": "resnet20",
      resnet8_4: "resnet8x4",
      cifar100_resnet56: "resnet56",
      cifar10_vgg16_bn: "vgg16",
      wide_resnet40_2: "wrn-40-2",
      shufflenet_v2_x1_0: "shufflenetv2",
      mobilenet_v2_x0_5: "mobilenetv2-half",
      fasterrcnn_resnet50_fpn: "faster-rcnn-resnet50-fpn",
      maskrcnn_resnet50_fpn_v2: "mask-rcnn-resnet50-fpn",
      "faster-rcnn-resnet50": "faster-rcnn-resnet50-fpn",
      "faster-rcn-resnet18-fpn": "faster-rcnn-resnet18-fpn",
      faster_rcnn_R_101_FPN_3x: "faster-rcnn-resnet101-fpn",
      retinanet_R_50_FPN_1x: "retinanet-resnet50-fpn",
    };
    for (const [given, name] of Object.entries(meant))
      expect(nearestName(given, networks, NETWORK_ALIASES), given).to.equal(name);
    for (const unknown of ["efficientnet_b0", "densenet121", "vit_b_16"])
      expect(nearestName(unknown, networks, NETWORK_ALIASES), unknown).to.equal(undefined);
  });

  it("knows methods by the names of papers and toolboxes", () => {
    const kinds = listMethods().map(({ kind }) => kind);
    for (const [given, kind] of Object.entries({ KD: "kd", DKD: "dkd", reviewkd: "review", hint: "single-layer",
      FitNet: "single-layer", review_pairs: "review-pairs" })) expect(nearestName(given, kinds), given).to.equal(kind);
  });

  it("has aliases of names that exist alone", () => {
    const names = [...listModels().map(({ name }) => name), ...listDetectors()];
    expect(Object.values(NETWORK_ALIASES.names).flat().filter((name) => !names.includes(name))).to.deep.equal([]);
    const kinds = listMethods().map(({ kind }) => kind);
    expect(Object.values(METHOD_ALIASES.names).flat().filter((kind) => !kinds.includes(kind))).to.deep.equal([]);
  });
});

describe("findByName", () => {
  const entries = Array.from({ length: 40 }, (_, index) => ({ name: `network-${index}` }));

  it("keeps a long list out of the message", () => {
    try {
      findByName(entries, "x", { role: "network", lists: "The table lists them." });
      expect.fail("nothing was thrown");
    } catch (error) {
      const { code, message, valid } = error as ReviewKdError;
      expect(code).to.equal("UNKNOWN_NAME");
      expect(message).to.equal(
        'invalid network: expected one of network-0, network-1, network-2, … (40 in all), received "x". The table lists them.',
      );
      expect(valid).to.deep.equal(entries.map(({ name }) => name));
    }
  });

  it("lists a few names in full", () => {
    expect(listedBriefly(["a", "b", "c"])).to.equal("a, b or c");
  });
});
