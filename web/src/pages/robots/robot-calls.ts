/** What is asked of the server about robots: the same of those of a project and of those of the whole registry, at other addresses. */
import type { BodyOf, QueryOf, ResponseOf } from '#api/contract.ts'
import { change, pages, query, type ItemOf, type ListOptions } from '../../api/client.ts'
import {
  addProjectRobotTrust,
  addRobotSecret,
  addRobotTrust,
  createRobot,
  deleteRobot,
  listProjectRobotSecrets,
  listProjectRobotTrusts,
  listRobots,
  listRobotSecrets,
  listRobotTrusts,
  readProjectRobot,
  readRobot,
  removeProjectRobotTrust,
  removeRobotTrust,
  revokeProjectRobotSecret,
  revokeRobotSecret,
  updateRobot,
} from '../../api/manage-routes.ts'
import { addProjectRobotSecret, createProjectRobot, deleteProjectRobot, listProjectRobots, updateProjectRobot } from '../../api/routes.ts'

export type RobotRow = ItemOf<typeof listRobots>
export type Robot = ResponseOf<typeof readRobot>
export type RobotSecret = ItemOf<typeof listRobotSecrets>
export type RobotTrust = ItemOf<typeof listRobotTrusts>
type Versioned = Pick<RobotRow, 'id' | 'version'>

/** The calls on robots of one place. */
export interface RobotCalls {
  /** `level` counts where robots of the system stand beside those of projects. */
  readonly list: (filters: QueryOf<typeof listProjectRobots>, level: 'system' | 'all') => ListOptions<RobotRow>
  readonly read: (robot: number) => ReturnType<typeof query<typeof readRobot>>
  readonly create: (body: BodyOf<typeof createRobot>) => Promise<ResponseOf<typeof createRobot>>
  readonly update: (robot: Versioned, body: BodyOf<typeof updateRobot>) => Promise<unknown>
  readonly remove: (robot: Versioned) => Promise<unknown>
  readonly secrets: (robot: number) => ReturnType<typeof query<typeof listRobotSecrets>>
  readonly addSecret: (robot: number, body: BodyOf<typeof addRobotSecret>) => Promise<ResponseOf<typeof addRobotSecret>>
  readonly revokeSecret: (robot: number, secret: number) => Promise<unknown>
  readonly trusts: (robot: number) => ReturnType<typeof query<typeof listRobotTrusts>>
  readonly addTrust: (robot: number, body: BodyOf<typeof addRobotTrust>) => Promise<unknown>
  readonly removeTrust: (robot: number, trust: number) => Promise<unknown>
}

const touched = [
  listRobots,
  listProjectRobots,
  readRobot,
  readProjectRobot,
  listRobotSecrets,
  listProjectRobotSecrets,
  listRobotTrusts,
  listProjectRobotTrusts,
]
const most = { limit: 100 } as const

const everywhere: RobotCalls = {
  list: (filters, level) => pages(listRobots, { query: { ...filters, level } }),
  read: (robot) => query(readRobot, { params: { robot } }),
  create: (body) => change(createRobot, { body }, touched),
  update: ({ id, version }, body) => change(updateRobot, { params: { robot: id }, body, ifMatch: version }, touched),
  remove: ({ id, version }) => change(deleteRobot, { params: { robot: id }, ifMatch: version }, touched),
  secrets: (robot) => query(listRobotSecrets, { params: { robot }, query: most }),
  addSecret: (robot, body) => change(addRobotSecret, { params: { robot }, body }, touched),
  revokeSecret: (robot, secret) => change(revokeRobotSecret, { params: { robot, secret } }, touched),
  trusts: (robot) => query(listRobotTrusts, { params: { robot } }),
  addTrust: (robot, body) => change(addRobotTrust, { params: { robot }, body }, touched),
  removeTrust: (robot, trust) => change(removeRobotTrust, { params: { robot, trust } }, touched),
}

/** Undefined: the whole registry. */
export function robotCalls(project: string | undefined): RobotCalls {
  if (project === undefined) return everywhere
  return {
    list: (filters) => pages(listProjectRobots, { params: { project }, query: filters }),
    read: (robot) => query(readProjectRobot, { params: { project, robot } }),
    create: (body) => change(createProjectRobot, { params: { project }, body }, touched),
    update: ({ id, version }, body) => change(updateProjectRobot, { params: { project, robot: id }, body, ifMatch: version }, touched),
    remove: ({ id, version }) => change(deleteProjectRobot, { params: { project, robot: id }, ifMatch: version }, touched),
    secrets: (robot) => query(listProjectRobotSecrets, { params: { project, robot }, query: most }),
    addSecret: (robot, body) => change(addProjectRobotSecret, { params: { project, robot }, body }, touched),
    revokeSecret: (robot, secret) => change(revokeProjectRobotSecret, { params: { project, robot, secret } }, touched),
    trusts: (robot) => query(listProjectRobotTrusts, { params: { project, robot } }),
    addTrust: (robot, body) => change(addProjectRobotTrust, { params: { project, robot }, body }, touched),
    removeTrust: (robot, trust) => change(removeProjectRobotTrust, { params: { project, robot, trust } }, touched),
  }
}
