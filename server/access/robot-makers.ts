/** Whether those who made robots are still here: what somebody who left made goes on working, and whoever keeps order wants to see it. */
import type { Reader } from '#metadata/metadata.ts'
import { accountsOfMakers } from '#metadata/robot-makers.ts'
import { robotNamed, type RobotRecord } from '#metadata/robots.ts'
import { parseRobotName } from './robot-name.ts'

/** How the account of a maker is: a person, or a robot that may make robots. `gone`: deleted, and another one of its name made since is not it. */
export type MakerState = 'active' | 'disabled' | 'gone'

/** A robot with what became of who made it. */
export type MadeRobot = RobotRecord & { readonly createdByState: MakerState }

interface Maker {
  readonly createdAt: number
  readonly isDisabled: boolean
}

/** The robots of a page, in their order. */
export async function withMakers(reader: Reader, robots: readonly RobotRecord[]): Promise<readonly MadeRobot[]> {
  const names = [...new Set(robots.map(({ createdBy }) => createdBy))]
  const people = await accountsOfMakers(reader, names)
  const makers = new Map<string, Maker>(people.map((maker) => [maker.name, maker]))
  for (const name of names) {
    const login = parseRobotName(name)
    const robot = login && (await robotNamed(reader, login.name, login.project))
    if (robot !== undefined) makers.set(name, robot)
  }
  return robots.map((robot) => ({ ...robot, createdByState: stateOf(makers.get(robot.createdBy), robot) }))
}

function stateOf(maker: Maker | undefined, { createdAt }: RobotRecord): MakerState {
  if (maker === undefined || maker.createdAt > createdAt) return 'gone'
  return maker.isDisabled ? 'disabled' : 'active'
}
