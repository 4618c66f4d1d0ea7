/** The rest of a path, as the pages of projects and repositories read it: `team/app/-/tags/v1`. */

export interface NamedPlace {
  readonly name: string
  /** What of it: the first part behind `/-/`; empty for its front page. */
  readonly part: string
  readonly rest: string
}

export function readPlace(splat: string | undefined): NamedPlace {
  const [name = '', below = ''] = (splat ?? '').replace(/\/+$/, '').split('/-/', 2)
  const slash = below.indexOf('/')
  return slash < 0 ? { name, part: below, rest: '' } : { name, part: below.slice(0, slash), rest: below.slice(slash + 1) }
}

export function placeOf(name: string, part?: string, rest?: string): string {
  return [name, ...(part === undefined ? [] : ['-', part]), ...(rest === undefined ? [] : [rest])].join('/')
}
