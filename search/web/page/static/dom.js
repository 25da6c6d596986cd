// Makes elements. Pages are built with it and never from HTML in strings, so
// that a caption or the name of a file is always text.

// element makes <tag> with properties and children. A property is a listener
// (onclick), a property of the element (href, disabled) or else an attribute
// (aria-label); undefined, null and false leave it out. So they do of children.
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== 'list') made[name] = value;
    else made.setAttribute(name, value === true ? '' : value);
  }
  made.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return made;
}

// byID returns the element of a page that has an ID.
export const byID = (id) => document.getElementById(id);

// isPlainClick reports whether a click on a link means to go there in this
// tab, so that a page may do it by itself.
export function isPlainClick(event) {
  return event.button === 0 && !event.defaultPrevented &&
    !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
}

// isTyping reports whether a key goes into a field.
export function isTyping(event) {
  return event.target.closest?.('input:not([type=file]), textarea, select') !== null;
}
