import { expect } from "chai";
import sharp from "sharp";
import { escapeXml, placeLabels, plainText, TextMeasure, type Rectangle } from "../../../lib/detection/draw-labels.js";

const STYLE = { lineWidth: 2, fontSize: 12 };
const PICTURE = { width: 200, height: 150 };

function overlaps(a: Rectangle, b: Rectangle): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

function labelAt(x: number, y: number, width: number, height: number, textWidth = 40) {
  return { text: "cat 0.90", textWidth, rectangle: { x, y, width, height } };
}

describe("labels", () => {
  it("stand on top of their box, flush with the outer edge of its border", () => {
    const [label] = placeLabels([labelAt(50, 60, 80, 50)], STYLE, PICTURE);
    expect(label!.background.x).to.equal(49);
    expect(label!.background.y + label!.background.height).to.be.closeTo(59, 1e-9);
  });

  it("move inside a box at the top of the picture, without covering its border", () => {
    const [label] = placeLabels([labelAt(50, 1, 80, 100)], STYLE, PICTURE);
    expect(label!.background).to.include({ x: 51, y: 2 });
  });

  it("never leave the picture, wherever their boxes are", () => {
    const boxes = [labelAt(199, 10, 0, 100), labelAt(1, 1, 5, 148), labelAt(190, 149, 9, 0), labelAt(1, 1, 198, 148),
      labelAt(150, 140, 49, 9, 190)];
    const placed = placeLabels(boxes, STYLE, PICTURE);
    expect(placed).to.have.length(boxes.length);
    for (const { background: { x, y, width, height } } of placed) {
      expect(x).to.be.at.least(0);
      expect(y).to.be.at.least(0);
      expect(x + width).to.be.at.most(PICTURE.width);
      expect(y + height).to.be.at.most(PICTURE.height);
    }
  });

  it("do not cover each other while there is room", () => {
    const [first, second, third] = placeLabels([labelAt(50, 60, 80, 50), labelAt(52, 62, 80, 50),
      labelAt(48, 58, 80, 50)], STYLE, PICTURE);
    expect(overlaps(first!.background, second!.background)).to.equal(false);
    expect(overlaps(first!.background, third!.background)).to.equal(false);
    expect(overlaps(second!.background, third!.background)).to.equal(false);
  });

  it("are left out where better ones leave no room", () => {
    const labels = Array.from({ length: 40 }, (_, index) => ({ ...labelAt(80, 60, 40, 30), text: String(index) }));
    const placed = placeLabels(labels, STYLE, PICTURE);
    expect(placed.length).to.be.within(3, 15);
    expect(placed[0]?.text).to.equal("0");
  });

  it("are left out if they are larger than the picture", () => {
    expect(placeLabels([labelAt(1, 1, 5, 5)], STYLE, { width: 30, height: 150 })).to.deep.equal([]);
    expect(placeLabels([labelAt(1, 1, 5, 5)], STYLE, { width: 200, height: 10 })).to.deep.equal([]);
  });

  it("have plain text of bounded length, and markup as text", () => {
    expect(plainText("a\u0000b\n<c>\u202e")).to.equal("a b <c>");
    expect(plainText("x".repeat(100))).to.equal(`${"x".repeat(48)}…`);
    expect(escapeXml(`<&"'>`)).to.equal("&#60;&#38;&#34;&#39;&#62;");
  });
});

describe("the width of texts", () => {
  const measure = new TextMeasure(sharp, 12);

  it("grows with the text, whatever is in it", async () => {
    const [short, long, markup] = await Promise.all(
      ["cat", "caterpillar", "<b>&cat"].map((text) => measure.width(text)),
    );
    expect(long!).to.be.greaterThan(short!);
    expect(markup!).to.be.greaterThan(short!);
  });

  it("is kept below a bound by a shorter name, then by the value alone, then by nothing", async () => {
    const whole = await measure.fitting("caterpillar", "0.90", 500);
    expect(whole.text).to.equal("caterpillar 0.90");
    const part = await measure.fitting("caterpillar", "0.90", whole.textWidth - 10);
    expect(part.text).to.match(/^cat.*… 0\.90$/);
    expect(part.textWidth).to.be.at.most(whole.textWidth - 10);
    const value = await measure.width("0.90");
    expect((await measure.fitting("caterpillar", "0.90", value)).text).to.equal("0.90");
    expect((await measure.fitting("caterpillar", "0.90", value - 1)).text).to.equal("");
  });
});
