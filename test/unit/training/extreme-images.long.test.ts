import { expect } from "chai";
import { createDetector, createSession } from "../../../lib/index.js";
import { namedImage, targetsOf } from "../../support/detectors.js";

/** [height, width] of images that hardly are any. */
const SIZES = [[1, 1], [1, 5000], [5000, 1], [33, 7]] as const;
const FEW_PROPOSALS = { rpnPreNmsTopNTrain: 40, rpnPostNmsTopNTrain: 20, rpnPreNmsTopNTest: 20,
  rpnPostNmsTopNTest: 10 } as const;

describe("a detector of images of one pixel and of extreme shapes", function () {
  this.timeout(300_000);

  for (const [name, detection] of [["retinanet-resnet18-fpn", {}], ["mask-rcnn-resnet18-fpn",
    FEW_PROPOSALS]] as const) {
    for (const flavor of ["torchvision", "detectron2"] as const) {
      it(`trains and finds objects: ${name} of flavor ${flavor}`, async () => {
        // Fitted into 80, a row of 5000 pixels would have a height of 0.02.
        for (const resizing of [{ minSize: 48, maxSize: 80 }, { minSize: null }]) {
          using detector = await createDetector(name, { numClasses: 4, flavor,
            detection: { ...detection, norm: "frozen", ...resizing } });
          using session = await createSession({ model: detector, threads: 1,
            optimizer: { kind: "sgd", learningRate: 1e-9 } });
          for (const [height, width] of SIZES) {
            const image = namedImage("small", height, width);
            const targets = [targetsOf({ boxes: [[0, 0, width, height]], labels: [1] }, [height, width])];
            const { losses } = await session.step({ images: [image], targets });
            expect(losses.total, `${height} × ${width}`).to.be.finite;
            const [found] = await detector.detect([image]);
            expect(found!.boxes.shape[1]).to.equal(4);
          }
        }
      });
    }
  }
});
