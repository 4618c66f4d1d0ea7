/** Robots as people name them: by the name that a robot logs in with, or by its number. */
import type { ApiClient } from '#api/client.ts'
import { listProjectRobots, listRobots } from '#api/routes/robots.ts'
import { CommandFailure, NothingThere } from './command-failure.ts'
import { printable } from './print.ts'

/** Its number, and the project through whose routes it is asked for; without one through those of the system. */
export interface RobotPlace {
  readonly robot: number
  readonly project: string | undefined
}

/** `project`: as an option said. Throws a sentence when there is no such robot. */
export async function findRobot(client: ApiClient, text: string, project: string | undefined): Promise<RobotPlace> {
  if (/^\d{1,15}$/.test(text)) return { robot: Number(text), project }
  const login = /^robot-([^@\s]+)(?:@(\S+))?$/.exec(text)
  if (login?.[1] === undefined)
    throw new CommandFailure(`${printable(text)} is no robot: robot-ci@team is one, or its number in robot list`)
  const [, name, of = project] = login
  if (project !== undefined && of !== project)
    throw new CommandFailure(`${printable(text)} is no robot of the project ${printable(project)}`)
  // In the order of names the one that is no longer than the prefix comes first.
  const list =
    of === undefined
      ? await client.call(listRobots, { query: { name, level: 'system', sort: 'name', limit: 1 } })
      : await client.call(listProjectRobots, { params: { project: of }, query: { name, sort: 'name', limit: 1 } })
  const [found] = list.items
  if (found?.name !== name) throw new NothingThere(`there is no robot ${printable(text)}${of === undefined ? ' of the system' : ''}`)
  return { robot: found.id, project: of }
}
