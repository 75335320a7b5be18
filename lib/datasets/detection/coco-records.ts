import type { AnnotationsBuilder } from "./annotations-builder.js";
import { parseOutline } from "./outlines.js";
import type { RecordName, RecordSource } from "./record-source.js";

type Record = Readonly<{ [key: string]: unknown }>;

/** The lists of a file of COCO instances. */
export const COCO_LISTS = ["images", "annotations", "categories"] as const;

/** Checks the types of COCO's records and hands them to a builder; keys that are not named here are ignored. */
export class CocoRecords {
  constructor(private readonly builder: AnnotationsBuilder, private readonly source: RecordSource) {}

  add(list: string, value: unknown, position: number): void {
    switch (list) {
      case "images":
        this.#addImage(value, position);
        break;
      case "annotations":
        this.#addAnnotation(value, position);
        break;
      default:
        this.#addCategory(value, position);
    }
  }

  #addCategory(value: unknown, position: number): void {
    const [category, record] = this.#named("category", value, position);
    const name = this.source.text(category["name"], "name", record);
    const { supercategory } = category;
    const parent = typeof supercategory !== "string" || supercategory === "" ? {}
      : { supercategory: this.source.text(supercategory, "supercategory", record) };
    this.builder.addCategory({ id: record.id, name, ...parent }, position);
  }

  #addImage(value: unknown, position: number): void {
    const [image, record] = this.#named("image", value, position);
    this.builder.addImage({ id: record.id, fileName: this.source.text(image["file_name"], "file_name", record),
      width: this.source.whole(image["width"], "width", record),
      height: this.source.whole(image["height"], "height", record) }, position);
  }

  #addAnnotation(value: unknown, position: number): void {
    const { source } = this;
    const [annotation, { id }] = this.#named("annotation", value, position);
    const imageId = source.whole(annotation["image_id"], "image_id", { what: "annotation", id, position });
    const record: RecordName = { what: "annotation", id, image: imageId, position };
    const area = annotation["area"] ?? undefined;
    if (area !== undefined && source.finite(area, "area", record) < 0)
      source.fail("area", record, "a number from 0", area);
    this.builder.addAnnotation({ id, imageId,
      categoryId: source.whole(annotation["category_id"], "category_id", record),
      box: this.#boxOf(annotation["bbox"], record), area: area as number | undefined,
      crowd: this.#isCrowd(annotation["iscrowd"], record),
      outline: parseOutline(annotation["segmentation"], "segmentation", record, source) }, position);
  }

  #boxOf(value: unknown, record: RecordName): [number, number, number, number] {
    if (!Array.isArray(value) || value.length !== 4) this.source.fail("bbox", record, "[x, y, width, height]", value);
    return [0, 1, 2, 3].map((i) => this.source.finite(value[i], `bbox[${i}]`, record)) as [number, number, number,
      number];
  }

  #isCrowd(value: unknown, record: RecordName): boolean {
    if (value === undefined || value === null) return false;
    if (value === 0 || value === 1 || typeof value === "boolean") return Boolean(value);
    return this.source.fail("iscrowd", record, "0 or 1", value);
  }

  /** The record as an object, and its name, for which its id is checked. */
  #named(what: "annotation" | "category" | "image", value: unknown,
    position: number): [Record, RecordName & { readonly id: number }] {
    const record = { what, position };
    if (typeof value !== "object" || value === null || Array.isArray(value))
      this.source.fail("content", record, "an object", value);
    const id = this.source.whole((value as Record)["id"], "id", record);
    return [value as Record, { ...record, id }];
  }
}
