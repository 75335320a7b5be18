import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { readJsonElements } from "../../../lib/detection/json-elements.js";
import { Pacer } from "../../../lib/api/pacer.js";

describe("readJsonElements", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "reviewkd-json-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function read(text: string, ...keys: string[]): Promise<{ found: string[]; elements: unknown[][] }> {
    const path = join(folder, "file.json");
    await writeFile(path, text);
    const elements: unknown[][] = keys.map(() => []);
    const visits = new Map(keys.map((key, list) => [key, (element: unknown, index: number) => {
      expect(index).to.equal(elements[list]!.length);
      elements[list]!.push(element);
    }]));
    return { found: [...await readJsonElements(path, visits, new Pacer(undefined, "the test"))], elements };
  }

  it("gives the elements of the lists that are read and skips everything else", async () => {
    const value = { info: { a: [1, "]"] }, b: ["x", 2, null, true, [], {}, -1.5e3], c: 7, 'd"\\': [[1, [2]], { e: {} }],
      f: "text", g: [] };
    for (const text of [JSON.stringify(value), JSON.stringify(value, null, "\t\r\n ")]) {
      const { found, elements } = await read(text, "b", 'd"\\', "g", "missing");
      expect(found).to.have.members(["b", 'd"\\', "g"]);
      expect(elements).to.deep.equal([value.b, value['d"\\'], [], []]);
    }
  });

  it("gives the elements of a file that is one list", async () => {
    expect(await read(" [1, 2 ] ", "")).to.deep.equal({ found: [""], elements: [[1, 2]] });
    expect(await read("{}", "")).to.deep.equal({ found: [], elements: [[]] });
  });

  it("joins values that cross the pieces in which a file is read, wherever they are cut", async () => {
    // 256 KiB are read at a time; each of these lists is longer, and begins at another position.
    const element = { "text \\": 'a "quoted" ]}[{, \\ \u00e4\u{1f600}', numbers: [0.1, -2, 3e-7],
      nested: { list: [[]] } };
    const list = Array.from({ length: 4000 }, (_, index) => [element, index, `${index}\\`][index % 3]);
    const text = JSON.stringify(list);
    expect(Buffer.byteLength(text)).to.be.above(2 ** 17);
    for (let shift = 0; shift < 60; shift++) {
      const filler = " ".repeat(2 ** 18 - 2 ** 10 * shift - shift);
      const { elements } = await read(`{"skipped": ${text}, ${filler}"list": ${text}}`, "list");
      expect(elements[0]).to.deep.equal(list);
    }
  });
});
