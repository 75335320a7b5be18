import { isUtf8 } from "node:buffer";
import { parseXml, XmlElement } from "@rgrove/parse-xml";
import { messageOf, ReviewKdError } from "../../../errors.js";
import type { RecordName, RecordSource } from "../record-source.js";

/** The annotation of one image of Pascal VOC. */
export interface VocImage {
  readonly width: number;
  readonly height: number;
  readonly objects: readonly VocObject[];
}

export interface VocObject {
  readonly name: string;
  /** x, y, width, height, x and y counted from 0. */
  readonly box: readonly [number, number, number, number];
  readonly difficult: boolean;
}

/** Bytes of a file: a thousand objects take a quarter. */
export const LARGEST_XML = 2 ** 20;

const FIX = "Pass annotations of Pascal VOC, or write the file again.";

/**
 * The content of an annotation file. Declared entities are not expanded, and external ones not read: both are errors.
 *
 * @param position - The file's position in its source, for messages about its content.
 * @throws ReviewKdError `FILE_CORRUPT`, `FILE_UNSUPPORTED`
 */
export function parseVocXml(bytes: Buffer, path: string, position: number, source: RecordSource): VocImage {
  const root = rootOf(bytes, path);
  const image: RecordName = { what: "image", position };
  const size = childOf(root, "size");
  if (size === undefined) return source.failWith("size", image, "width and height", "no <size>");
  return { width: numberIn(size, "width", image, source), height: numberIn(size, "height", image, source),
    objects: childrenOf(root, "object").map((object, id) =>
      objectOf(object, { what: "object", id: id + 1, position }, source)
    ) };
}

function rootOf(bytes: Buffer, path: string): XmlElement {
  const fail = (code: "FILE_CORRUPT" | "FILE_UNSUPPORTED", expected: string, received: string): never => {
    throw new ReviewKdError(code, `invalid annotation ${path}: expected ${expected}, received ${received}. ${FIX}`);
  };
  if (!isUtf8(bytes)) return fail("FILE_UNSUPPORTED", "XML in UTF-8", "another encoding");
  let root: XmlElement | null;
  try {
    ({ root } = parseXml(bytes.toString("utf8")));
  } catch (error) {
    if (error instanceof RangeError) return fail("FILE_UNSUPPORTED", "few levels of elements", "too many to read");
    // The lines that follow show the text around.
    return fail("FILE_CORRUPT", "XML", `text that is none (${messageOf(error).split("\n")[0] ?? ""})`);
  }
  return root?.name === "annotation" ? root
    : fail("FILE_UNSUPPORTED", "the element <annotation>", root === null ? "none" : `<${root.name}>`);
}

function objectOf(object: XmlElement, record: RecordName, source: RecordSource): VocObject {
  const bounds = childOf(object, "bndbox");
  if (bounds === undefined) return source.failWith("box", record, "xmin, ymin, xmax, ymax", "no <bndbox>");
  const [xmin, ymin, xmax, ymax] = ["xmin", "ymin", "xmax", "ymax"].map((name) =>
    numberIn(bounds, name, record, source)
  ) as [number, number, number, number];
  const difficult = childOf(object, "difficult")?.text.trim() ?? "0";
  if (difficult !== "0" && difficult !== "1") source.fail("difficult", record, "0 or 1", difficult);
  return { name: source.text(childOf(object, "name")?.text.trim(), "name", record).normalize("NFC"), // Pixels count from 1, and the last one belongs to the box.
    box: [xmin - 1, ymin - 1, xmax - xmin + 1, ymax - ymin + 1], difficult: difficult === "1" };
}

function numberIn(element: XmlElement, name: string, record: RecordName, source: RecordSource): number {
  const text = childOf(element, name)?.text.trim();
  const value = text === undefined || text === "" ? NaN : Number(text);
  return Number.isFinite(value) ? value : source.fail(name, record, "a finite number", text);
}

function childrenOf(element: XmlElement, name: string): XmlElement[] {
  return element.children.filter((child): child is XmlElement => child instanceof XmlElement && child.name === name);
}

function childOf(element: XmlElement, name: string): XmlElement | undefined {
  return childrenOf(element, name)[0];
}
