// ONNX Runtime: WebAssembly on the processor, or WebGPU.
import type * as Ort from "onnxruntime-web/wasm";
import type { Downloads } from "./downloads.js";

export type Device = "wasm" | "webgpu";

const MOST_THREADS = 4;

/** Starts the runtime from the page's own files. */
export async function loadRuntime(device: Device, downloads: Downloads): Promise<typeof Ort> {
  const [ort, name] = device === "webgpu"
    ? [await import("onnxruntime-web/webgpu"), "ort-wasm-simd-threaded.asyncify"] as const
    : [await import("onnxruntime-web/wasm"), "ort-wasm-simd-threaded"] as const;
  const { wasm } = ort.env;
  wasm.wasmPaths = { mjs: new URL(`runtime/${name}.mjs`, document.baseURI).href };
  wasm.wasmBinary = (await downloads.get(`runtime/${name}.wasm`)).buffer;
  // Threads share memory, which browsers permit to isolated pages alone: serve.mjs has the two headers.
  wasm.numThreads = crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1;
  return ort;
}

/** Whether the browser and the machine have WebGPU. */
export async function hasWebGpu(): Promise<boolean> {
  const { gpu } = navigator as { readonly gpu?: { requestAdapter(): Promise<object | null> } };
  const adapter = await gpu?.requestAdapter().catch(() => null);
  return adapter !== undefined && adapter !== null;
}
