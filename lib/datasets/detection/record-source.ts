import { valueText } from "../../config/validation.js";
import { ReviewKdError, type ErrorCode } from "../../errors.js";

/** Characters of a name: with as many categories as there may be, names stay below the memory of a process. */
const LONGEST_TEXT = 1024;

/** A record in error messages. */
export interface RecordName {
  readonly what: "annotation" | "category" | "image" | "object";
  readonly id?: number | undefined;
  /** The id of the image that an annotation belongs to. */
  readonly image?: number | undefined;
  /** The record's position in its source: a byte, or the index of an image. */
  readonly position: number;
}

/** The origin of records: whose errors name it and say what to do about it. */
export class RecordSource {
  /**
   * @param place - Where a position is, as the end of a phrase: "at byte 17 of instances.json".
   * @param fix - What to do about a wrong record, unless a check says more.
   */
  constructor(private readonly code: ErrorCode, private readonly place: (position: number) => string,
    private readonly fix: string) {}

  /** Throws that a field of a record is not what was expected. */
  fail(field: string, record: RecordName, expected: string, received: unknown, fix = this.fix): never {
    throw new ReviewKdError(this.code, this.#sentence(field, record, expected, valueText(received), fix));
  }

  /** As {@link RecordSource.fail}, with words for what was received. */
  failWith(field: string, record: RecordName, expected: string, received: string, fix = this.fix): never {
    throw new ReviewKdError(this.code, this.#sentence(field, record, expected, received, fix));
  }

  /** A whole number that a double represents exactly. */
  whole(value: unknown, field: string, record: RecordName): number {
    return Number.isSafeInteger(value) ? value as number : this.fail(field, record, "a whole number", value);
  }

  finite(value: unknown, field: string, record: RecordName): number {
    return Number.isFinite(value) ? value as number : this.fail(field, record, "a finite number", value);
  }

  text(value: unknown, field: string, record: RecordName): string {
    if (typeof value === "string" && value !== "" && value.length <= LONGEST_TEXT) return value;
    return this.fail(field, record, `a name of 1 to ${LONGEST_TEXT} characters`, value);
  }

  #sentence(field: string, { what, id, image, position }: RecordName, expected: string, received: string,
    fix: string): string {
    const record = `${what}${id === undefined ? "" : ` ${id}`}${image === undefined ? "" : ` of image ${image}`}`;
    return `invalid ${field} of ${record} ${this.place(position)}: expected ${expected}, received ${received}. ${fix}`;
  }
}
