export * from "./operations.js";
export { hierarchicalContextLoss } from "./distillation.js";
export * as detection from "./detection.js";
