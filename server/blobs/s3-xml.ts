/** Reads and writes the little XML that S3 speaks: elements by name, no attributes, no nesting of the same name. */

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

function decode(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|([a-z]+));/gi, (whole, hex?: string, decimal?: string, name?: string) => {
    if (name !== undefined) return entities[name] ?? whole
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })
}

/** The insides of all elements of this name, in order. */
export function elements(xml: string, name: string): string[] {
  const found: string[] = []
  for (let at = 0; ;) {
    const start = xml.indexOf(`<${name}>`, at)
    if (start === -1) return found
    const inside = start + name.length + 2
    const end = xml.indexOf(`</${name}>`, inside)
    if (end === -1) return found
    found.push(xml.slice(inside, end))
    at = end
  }
}

/** The text of the first element of this name. */
export function textOf(xml: string, name: string): string | undefined {
  const [first] = elements(xml, name)
  return first === undefined ? undefined : decode(first.trim())
}

/** As an element's text. */
export function escapeXml(text: string): string {
  return text.replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
