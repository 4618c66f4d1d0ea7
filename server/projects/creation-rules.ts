/** Who may make projects, by the settings of the system. What is missing or malformed there means the narrower choice. */
import { readSystemSettings } from '#metadata/system-settings.ts'
import type { ProjectParts } from './projects.ts'

/** The part of the system's settings that is about making projects. */
export interface CreationRules {
  /** `everyone`: all who are signed in may make projects at the top; else it takes the permission `project:create`. */
  readonly projectCreation: 'everyone' | 'administrators'
  /** A push to a name without a project makes one, for those who may make projects. */
  readonly autoCreateProjects: boolean
}

/** As they are now. */
export async function readCreationRules({ metadata }: Pick<ProjectParts, 'metadata'>): Promise<CreationRules> {
  const { settings } = await readSystemSettings(metadata.reader)
  return {
    projectCreation: settings.projectCreation === 'everyone' ? 'everyone' : 'administrators',
    // A document that something else than Berth wrote may hold what is no boolean.
    autoCreateProjects: (settings.autoCreateProjects as unknown) === true,
  }
}
