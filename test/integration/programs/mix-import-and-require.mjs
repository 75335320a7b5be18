// Passes objects of the CommonJS form of the package to its ES modules, and prints the errors.
import { createRequire } from "node:module";
import * as imported from "reviewkd";

const required = createRequire(import.meta.url)("../../../dist/cjs/index.js");
const model = await required.createModel("resnet8", { numClasses: 2 });
const images = required.Tensor.from(new Float32Array(3 * 32 * 32), [1, 3, 32, 32]);
const data = await required.loadDataset({ kind: "synthetic", trainSamples: 2, testSamples: 2, numClasses: 2 });
const own = await imported.createModel("resnet8", { numClasses: 2 });
const calls = [() => imported.createSession({ model }),
  () => imported.createDistiller({ teacher: own, student: model }), () => own.forward(images),
  () => own.classify([images]), () => own.evaluate(data.test), () => required.createSession({ model: own }),
  () => required.createSession({ model: images })];
const messages = [];
for (const call of calls) await call().catch(({ code, message }) => messages.push(`${code}: ${message}`));
console.log(JSON.stringify(messages));
