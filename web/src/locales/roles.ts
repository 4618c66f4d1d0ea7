/** Roles that are there from the start. */
export const roleTitles = {
  'system-reader': 'Read-only system administrator',
  'project-admin': 'Project administrator',
  maintainer: 'Maintainer',
  developer: 'Developer',
  guest: 'Guest',
  'limited-guest': 'Limited guest',
  auditor: 'Auditor',
  'project-creator': 'Project creator',
} as const
