// The part of onnxruntime-web's types that the page uses. In a checkout, only test/onnx has the package itself.
declare module "onnxruntime-web/wasm" {
  export const env: {
    wasm: { numThreads?: number; wasmBinary?: ArrayBuffer; wasmPaths?: { mjs: string } };
  };
  export class Tensor {
    constructor(type: "float32", data: Float32Array, dims: readonly number[]);
    readonly data: Float32Array;
  }
  export class InferenceSession {
    static create(model: Uint8Array, options: { executionProviders: readonly string[] }): Promise<InferenceSession>;
    run(inputs: Readonly<Record<string, Tensor>>): Promise<Readonly<Record<string, Tensor>>>;
  }
}
declare module "onnxruntime-web/webgpu" {
  export * from "onnxruntime-web/wasm";
}
