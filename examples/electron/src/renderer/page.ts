// Small things for a page without a framework.

/** An element of the page that has to be there. */
export function byId<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new Error(`expected a ${kind.name} with the id ${id} in the page, got ${found === null ? "none" : found.tagName}`);
}

/** Makes an element; what it says is text and never markup. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name, attributes: Readonly<Record<string, string>> = {}, ...content: readonly (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

/** Replaces what is in an element only where it would change, so that focus and screen readers stay where they are. */
export function replaceIfNew(parent: HTMLElement, ...content: readonly (Node | string)[]): void {
  const next = parent.cloneNode(false) as HTMLElement;
  next.append(...content);
  if (next.innerHTML !== parent.innerHTML) parent.replaceChildren(...next.childNodes);
}

/** Writes text only where it would change. */
export function setText(node: HTMLElement, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}
