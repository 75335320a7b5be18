import type { Sharp } from "../images/load-sharp.js";

/** A rectangle in pixels. */
export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Lines and text of a picture, in pixels. */
export interface DrawingStyle {
  readonly lineWidth: number;
  readonly fontSize: number;
}

/** A label to be placed: its text with its width, at a box. */
export interface Label {
  readonly text: string;
  readonly textWidth: number;
  /** The middle of the box's border. */
  readonly rectangle: Rectangle;
}

/** A label with the area that it covers. */
export type Placed<AnyLabel extends Label> = AnyLabel & { readonly background: Rectangle };

/** Font of labels, as fontconfig and SVG name it. */
export const LABEL_FONT = "sans-serif";

const LONGEST_TEXT = 48;
const PADDING = 0.35;
const LINE_HEIGHT = 1.35;
/** Share of a label that may be covered by better ones. */
const MOST_COVERED = 0.4;

/** Text for a picture: no control characters, not too long. */
export function plainText(text: string): string {
  const plain = Array.from(text.replace(/[\p{C}\s]+/gu, " ").trim());
  return plain.length > LONGEST_TEXT ? `${plain.slice(0, LONGEST_TEXT).join("")}…` : plain.join("");
}

export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Measures texts with the renderer that draws them. */
export class TextMeasure {
  readonly #widths = new Map<string, Promise<number>>();

  constructor(private readonly sharp: Sharp, private readonly fontSize: number) {}

  width(text: string): Promise<number> {
    const known = this.#widths.get(text);
    if (known !== undefined) return known;
    const measured = this.#measure(text);
    this.#widths.set(text, measured);
    return measured;
  }

  /** `name value`, with as much of the name as fits; without a name if none does, and nothing if that is too wide. */
  async fitting(name: string, value: string, mostWidth: number): Promise<{ text: string; textWidth: number }> {
    const characters = Array.from(name);
    for (let count = characters.length; count > 0;) {
      const text = `${characters.slice(0, count).join("")}${count < characters.length ? "…" : ""} ${value}`;
      const textWidth = await this.width(text);
      if (textWidth <= mostWidth) return { text, textWidth };
      // At least one less, and as many as the ratio says.
      count = Math.min(count - 1, Math.floor((count * mostWidth) / textWidth));
    }
    const textWidth = await this.width(value);
    return textWidth <= mostWidth ? { text: value, textWidth } : { text: "", textWidth: 0 };
  }

  async #measure(text: string): Promise<number> {
    // At 72 dots an inch a point is a pixel.
    const image = this.sharp({
      text: { text: escapeXml(text), font: `${LABEL_FONT} bold ${this.fontSize}`, dpi: 72, rgba: true },
    });
    return (await image.toBuffer({ resolveWithObject: true })).info.width;
  }
}

export function paddingOf({ fontSize }: DrawingStyle): number {
  return PADDING * fontSize;
}

/**
 * Places labels within a picture, the first ones best: above their box, inside it, below it or at its sides, where
 * they cover no other label if there is such a place. Leaves out those that better ones would cover too much, and
 * those that are larger than the picture.
 */
export function placeLabels<AnyLabel extends Label>(labels: readonly AnyLabel[], style: DrawingStyle,
  picture: { readonly width: number; readonly height: number }): Placed<AnyLabel>[] {
  const placed: Placed<AnyLabel>[] = [];
  for (const label of labels) {
    const size = { width: label.textWidth + 2 * paddingOf(style), height: LINE_HEIGHT * style.fontSize };
    if (label.text === "" || size.width > picture.width || size.height > picture.height) continue;
    const places = placesFor(label.rectangle, size, style.lineWidth)
      .map(({ x, y }) => ({ ...size, x: within(x, picture.width - size.width), y }));
    const visible = places.filter(({ y }) => y === within(y, picture.height - size.height));
    const candidates = visible.length > 0 ? visible : [{ ...size, x: places[0]?.x ?? 0, y: 0 }];
    const covered = candidates.map((place) => coveredArea(place, placed));
    const least = Math.min(...covered);
    if (least > MOST_COVERED * size.width * size.height) continue;
    placed.push({ ...label, background: candidates[covered.indexOf(least)] as Rectangle });
  }
  return placed;
}

function within(value: number, most: number): number {
  return Math.min(Math.max(0, value), most);
}

/** Where a label may stand, best first: flush with the outer edge of the border, or inside it. */
function placesFor({ x, y, width, height }: Rectangle, size: { readonly width: number; readonly height: number },
  lineWidth: number): { x: number; y: number }[] {
  const half = lineWidth / 2;
  const [left, right] = [x - half, x + width + half - size.width];
  const [above, below] = [y - half - size.height, y + height + half];
  const isInside = size.width <= width - lineWidth && size.height <= height - lineWidth;
  const inside = isInside
    ? [{ x: x + half, y: y + half }, { x: x + width - half - size.width, y: y + half }, { x: x + half,
      y: y + height - half - size.height }]
    : [];
  return [{ x: left, y: above }, ...inside, { x: left, y: below }, { x: right, y: above }, { x: right, y: below }, {
    x: x + width + half,
    y: y - half,
  }, { x: x - half - size.width, y: y - half }];
}

function coveredArea(place: Rectangle, labels: readonly Placed<Label>[]): number {
  return labels.reduce((sum, { background }) => sum + commonArea(place, background), 0);
}

function commonArea(a: Rectangle, b: Rectangle): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return Math.max(0, width) * Math.max(0, height);
}
