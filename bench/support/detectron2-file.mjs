// A weights file of detectron2's model zoo: a pickle of NumPy arrays, written without NumPy.
import { createWriteStream } from "node:fs";
import { once } from "node:events";
import { finished } from "node:stream/promises";
import { createDetector } from "../../dist/index.js";

const u32 = (value) => {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
};
const bytes = (...parts) =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part)));
const text = (value) => bytes("X", u32(Buffer.byteLength(value)), value);
const global = (module, name) => `c${module}\n${name}\n`;

/** A float32 array up to its elements. */
function arrayHead(shape, length) {
  const dtype = bytes(global("numpy", "dtype"), "(", text("f4"), "K\x00K\x01tR(K\x03", text("<"), "NNNJ",
    u32(0xffffffff), "J", u32(0xffffffff), "K\x00tb");
  return bytes(global("numpy.core.multiarray", "_reconstruct"), "(", global("numpy", "ndarray"), "K\x00\x85C\x01btR",
    "(K\x01(", ...shape.map((side) => bytes("J", u32(side))), "t", dtype, "\x89B", u32(length));
}

/** Writes the initial weights of a detector under detectron2's names. */
export async function writeDetectron2Pickle(path, name) {
  const detector = await createDetector(name, { flavor: "detectron2", numClasses: 81, detection: { norm: "frozen" } });
  const out = createWriteStream(path);
  const write = async (part) => {
    if (!out.write(part)) await once(out, "drain");
  };
  await write(bytes("\x80\x03}(", text("model"), "}("));
  for (const [entry, tensor] of Object.entries(await detector.stateDict({ names: "detectron2" }))) {
    const { buffer, byteLength } = tensor.toTypedArray();
    await write(bytes(text(entry), arrayHead(tensor.shape, byteLength)));
    await write(Buffer.from(buffer));
    await write("tb");
  }
  out.end(bytes("u", text("__author__"), text("Detectron2 Model Zoo"), "u."));
  await finished(out);
  detector.dispose();
}
