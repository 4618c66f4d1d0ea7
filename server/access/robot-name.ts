/** Names by which robots log in: Berth's own forms and Harbor's. A project's name may hold slashes, a robot's may not hold `@` or `+`, so each reads one way. */

/** A robot by name; without a project, of the whole system. */
export interface RobotName {
  readonly name: string
  readonly project?: string | undefined
}

/** What `robot create` accepts. */
export const robotNamePattern = /^[a-z0-9][a-z0-9._-]{0,127}$/

const ownForm = /^robot-([a-z0-9][a-z0-9._-]{0,127})(?:@([a-z0-9][a-z0-9._/-]{0,254}))?$/
const harborForm = /^robot\$(?:([a-z0-9][a-z0-9._/-]{0,254})\+)?([a-z0-9][a-z0-9._-]{0,127})$/

/** `robot-ci`, `robot-ci@team`, `robot$ci`, `robot$team+ci`; undefined for everything else. */
export function parseRobotName(text: string): RobotName | undefined {
  const own = ownForm.exec(text)
  if (own?.[1] !== undefined) return { name: own[1], project: own[2] }
  const harbor = harborForm.exec(text)
  return harbor?.[2] === undefined ? undefined : { name: harbor[2], project: harbor[1] }
}

/** The login name, which needs no quoting in any shell. */
export function formatRobotName({ name, project }: { readonly name: string; readonly project?: string | null | undefined }): string {
  return `robot-${name}${project === undefined || project === null ? '' : `@${project}`}`
}
