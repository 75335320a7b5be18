import { expect } from "chai";
import { JsonRecords } from "../../../../lib/datasets/detection/json-records.js";
import { failureOf } from "../../../support/errors.js";

/** The elements that are read from a text, in chunks that end at the given bytes. */
function recordsOf(content: string | Uint8Array, ends: readonly number[] = []): [string, unknown, number][] {
  const bytes = Buffer.from(content);
  const found: [string, unknown, number][] = [];
  const records = new JsonRecords("f.json", ["a", "b"], (...record) => found.push(record));
  let first = 0;
  for (const end of [...ends, bytes.length]) {
    records.write(bytes.subarray(first, end));
    first = end;
  }
  records.end();
  return found;
}

const TEXT = `{"x": {"a": [1, "]}\\"" , {}]}, "a" : [ {"k":"\\\\\\"[{é","v":[1,[2]]} ,{}, 12, "s\\"]", null, [ ] ],
  "n": -1.5e3,"t":true, "s":"a\\\\", "b":[], "e": [[]] }`;
const A = [{ k: '\\"[{é', v: [1, [2]] }, {}, 12, 's"]', null, []];

describe("JSON records", () => {
  it("yields the elements of its lists alone, with their first bytes", () => {
    const found = recordsOf(TEXT);
    expect(found.map(([list, record]) => [list, record])).to.deep.equal(A.map((record) => ["a", record]));
    const bytes = Buffer.from(TEXT);
    expect(found.map(([, , position]) => bytes.toString("latin1", position, position + 2))).to.deep.equal(['{"', "{}",
      "12", '"s', "nu", "[ "]);
  });

  it("yields the same wherever two chunks end", () => {
    const whole = recordsOf(TEXT);
    const length = Buffer.byteLength(TEXT);
    for (let first = 0; first <= length; ++first)
      for (const second of [first, first + 1, first + 7, length].filter((end) => end <= length))
        expect(recordsOf(TEXT, [first, second]), `${first}, ${second}`).to.deep.equal(whole);
  });

  it("accepts a byte order mark, whose bytes count", () => {
    expect(recordsOf('\uFEFF{"a":[1],"b":[]}')).to.deep.equal([["a", 1, 9]]);
  });

  it("refuses every text that is cut off, wherever", async () => {
    const bytes = Buffer.from(TEXT);
    for (let end = 0; end < bytes.length; ++end)
      await failureOf("FILE_CORRUPT", () => recordsOf(bytes.subarray(0, end)));
  });

  const WRONG: readonly (readonly [text: string, says: string])[] = [
    ["[]", 'at byte 0 of f.json: expected an object of images, annotations and categories, received "["'],
    ['{"a":{}}', 'at byte 5 of f.json: expected a list of a, received "{"'],
    ['{"a":[1 2]}', 'at byte 8 of f.json: expected a comma or the end of a, received "2"'],
    ['{"a":[1,]}', 'at byte 8 of f.json: expected an element of a, received "]"'],
    ['{"a":[,1]}', 'at byte 6 of f.json: expected a value, received ","'],
    ['{"a":[{"k":}]}', "at byte 6 of f.json: expected a value in JSON, received one that cannot be read"],
    ['{"a":[{]]}', "at byte 6 of f.json: expected a value in JSON"],
    ['{"a":[NaN]}', "at byte 6 of f.json: expected a value in JSON"],
    ['{"a" [1]}', 'at byte 5 of f.json: expected a colon, received "["'],
    ['{"x":,}', 'at byte 5 of f.json: expected a value, received ","'],
    ['{"x":1,}', 'at byte 7 of f.json: expected a key, received "}"'],
    ["{x:1}", 'at byte 1 of f.json: expected a key, received "x"'],
    ['{"\\x":1}', "at byte 1 of f.json: expected a value in JSON"],
    ['{"a":[],"b":[]}{', 'at byte 15 of f.json: expected the end of the file, received "{"'],
    ['{"a":[1],"b":[],"a":[2]}', "at byte 16 of f.json: expected one list a, received a second one"],
    ['{"a":[1]}\0', "at byte 9 of f.json: expected the end of the file, received the byte 0x0"],
  ];

  for (const [text, says] of WRONG) {
    it(`refuses ${JSON.stringify(text)}`, async () => {
      expect((await failureOf("FILE_CORRUPT", () => recordsOf(text))).message).to.include(`invalid JSON ${says}`);
    });
  }

  it("refuses bytes that are not UTF-8", async () => {
    const text = Buffer.from([...Buffer.from('{"a":["'), 0xc3, 0x28, ...Buffer.from('"],"b":[]}')]);
    expect((await failureOf("FILE_CORRUPT", () => recordsOf(text))).message).to.include("expected text in UTF-8");
  });

  it("names the lists that are missing", async () => {
    expect((await failureOf("FILE_UNSUPPORTED", () => recordsOf('{"x":1}'))).message).to.include(
      "expected the lists a, b, received no a, no b.",
    );
  });

  it("refuses levels, elements and keys beyond its limits before it keeps them", async () => {
    for (const text of [`{"x":${"[".repeat(33)}`, `{"a":[{"k":${"[".repeat(100)}`, `{"a":["${"x".repeat(2 ** 22)}`,
      `{"${"k".repeat(2 ** 13)}`]) {
      const { message } = await failureOf("FILE_UNSUPPORTED", () => recordsOf(text));
      expect(message).to.match(/^invalid JSON at byte \d+ of f\.json: expected .*at most \d+ .*, received /);
    }
  });

  it("skips values of any length", () => {
    expect(recordsOf(`{"x":"${"y".repeat(2 ** 23)}","a":[1],"b":[]}`).length).to.equal(1);
  });
});
