// Helpers for a page without a framework.

/** Returns an element of the page. @throws Error if it is missing or of another kind. */
export function byId<Kind extends HTMLElement>(id: string, kind: new() => Kind): Kind {
  const node = document.getElementById(id);
  if (node instanceof kind) return node;
  throw new Error(
    `invalid element #${id}: expected a ${kind.name}, received ${node === null ? "none" : node.tagName}. Compare the page with this script.`,
  );
}

/** Creates an element; its content is text, never markup. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string>> = {},
  ...content: readonly (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

/** Replaces the content of an element only if it changes, so that focus and screen readers keep their position. */
export function replaceIfNew(parent: HTMLElement, ...content: readonly (Node | string)[]): void {
  const next = parent.cloneNode(false) as HTMLElement;
  next.append(...content);
  if (next.innerHTML !== parent.innerHTML) parent.replaceChildren(...next.childNodes);
}

/** Writes text only if it changes. */
export function setText(node: HTMLElement, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}
