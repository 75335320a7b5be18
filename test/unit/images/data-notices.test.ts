import { expect } from "chai";
import { DataNoticeKind } from "../../../lib/config/schemas/data.js";
import { DataNotices, printableName } from "../../../lib/images/data-notices.js";

describe("the notices about a data set", () => {
  it("count each kind once, with the first example, in one line", () => {
    const notices = new DataNotices();
    const others = new DataNotices();
    for (const name of ["a/.x", "a/.y"]) notices.add("hidden", name);
    others.add("not-image", "b/n\n.txt");
    others.add("hidden", "b/.z");
    notices.addAll(others);
    expect(notices.list()).to.deep.equal([
      { kind: "hidden", count: 3, example: "a/.x", text: "skipped 3 hidden files and folders: a/.x and others" },
      { kind: "not-image", count: 1, example: "b/n\n.txt",
        text: "skipped 1 file without an image's ending: b/n\\n.txt" },
    ]);
  });

  it("have a sentence for each kind", () => {
    const notices = new DataNotices();
    for (const kind of DataNoticeKind.options) notices.add(kind, "x");
    const texts = notices.list().map(({ text }) => text);
    expect(texts).to.have.length(DataNoticeKind.options.length);
    for (const text of texts) expect(text).to.match(/^\D+1 [^:]+: x$/);
  });

  it("show control characters as they are written in JavaScript", () => {
    expect(printableName("a\tb\u001bc")).to.equal("a\\tb\\u001bc");
  });
});
