import { resolve } from "node:path";
import { expect } from "chai";
import { readFolders, type Folder } from "../../../scripts/docs/folders.js";
import { drawPicture } from "../../../scripts/docs/picture.js";

const folder = (name: string, rooms: readonly number[], ...imports: readonly string[]): Folder => ({ name, rooms,
  files: rooms.reduce((sum, files) => sum + files, 0), imports: new Set(imports) });
const draw = (...folders: readonly Folder[]): string => drawPicture("A title", [{ name: "lib", folders }]);
const count = (text: string, pattern: RegExp): number => [...text.matchAll(pattern)].length;

describe("the picture of the structure", () => {
  it("has a box for each folder and a square for each file, of another color in a crowded folder", () => {
    const picture = draw(folder("a", [3, 21], "b"), folder("b", [2]));
    expect(count(picture, /class="box"/g)).to.equal(2);
    expect(count(picture, /class="file"/g)).to.equal(5);
    expect(count(picture, /class="full"/g)).to.equal(21);
    expect(picture).to.include("24 files in 2 folders");
  });

  it("leaves out arrows that others imply", () => {
    expect(count(draw(folder("a", [1], "b", "c"), folder("b", [1], "c"), folder("c", [1])), /url\(#arrow\)/g)).to.equal(
      2,
    );
  });

  it("marks folders that import each other", () => {
    const picture = draw(folder("a", [1], "b"), folder("b", [1], "a", "c"), folder("c", [1]));
    expect([count(picture, /url\(#bad\)/g), count(picture, /url\(#arrow\)/g)]).to.deep.equal([2, 1]);
  });

  it("shows the sources, in which there is no cycle, each time the same", () => {
    const halves = readFolders(resolve(import.meta.dirname, "../../.."));
    expect(halves.map(({ name }) => name)).to.deep.equal(["lib", "native"]);
    expect(halves[0]?.folders.find(({ name }) => name === "cli")?.imports).to.deep.equal(new Set(["index.ts"]));
    const picture = drawPicture("Now", halves);
    expect(picture).to.equal(drawPicture("Now", halves)).and.not.to.include("url(#bad)");
  });
});
