import { resolve } from "node:path";
import { expect } from "chai";
import { readFolders, type Folder } from "../../../scripts/docs/folders.js";
import { drawPicture } from "../../../scripts/docs/picture.js";

const folder = (name: string, rooms: readonly number[], ...imports: readonly string[]): Folder => ({ name, rooms,
  files: rooms.reduce((sum, files) => sum + files, 0), imports: new Set(imports) });
const draw = (...folders: readonly Folder[]): Promise<string> => drawPicture("A title", [{ name: "lib", folders }]);
const count = (text: string, pattern: RegExp): number => [...text.matchAll(pattern)].length;
const edges = (
  text: string,
): [ordinary: number, bad: number] => [count(text, /class="edge"/g), count(text, /class="edge bad"/g)];

describe("the picture of the structure", () => {
  it("has a box for each folder, of another color if it is crowded", async () => {
    const picture = await draw(folder("a", [3, 21], "b"), folder("b", [2]));
    expect([count(picture, /class="node"/g), count(picture, /class="node full"/g)]).to.deep.equal([1, 1]);
    expect(picture).to.include("24 files in 2 folders").and.include("lib: 26 files");
  });

  it("leaves out arrows that others imply", async () => {
    const picture = await draw(folder("a", [1], "b", "c"), folder("b", [1], "c"), folder("c", [1]));
    expect(edges(picture)).to.deep.equal([2, 0]);
  });

  it("marks folders that import each other", async () => {
    const picture = await draw(folder("a", [1], "b"), folder("b", [1], "a", "c"), folder("c", [1]));
    expect(edges(picture)).to.deep.equal([1, 2]);
  });

  it("shows the sources, in which there is no cycle, each time the same", async () => {
    const halves = readFolders(resolve(import.meta.dirname, "../../.."));
    expect(halves.map(({ name }) => name)).to.deep.equal(["lib", "native"]);
    expect(halves[0]?.folders.find(({ name }) => name === "cli")?.imports).to.deep.equal(new Set(["index.ts"]));
    const picture = await drawPicture("Now", halves);
    expect(picture).to.equal(await drawPicture("Now", halves));
    expect(edges(picture)[1]).to.equal(0);
  });
});
