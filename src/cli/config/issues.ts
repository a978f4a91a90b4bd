import type { ConfigIssue } from '@haven/sdk';
import { PlatformError } from '#base/errors';
import { plural } from '../output.ts';
import { type LoadedConfig, shown } from './load-config.ts';
import { locate } from './locate.ts';

/** One line for each mistake, in the order of the file: `haven.config.ts:12: web.helth is not a known key; did you mean "health"?` */
export function describeIssues(config: LoadedConfig, issues: readonly ConfigIssue[]): readonly string[] {
  return issues
    .map((issue) => ({ issue, line: locate(config, issue.path) }))
    .sort((a, b) => a.line - b.line)
    .map(({ issue, line }) => {
      // Messages go on after the path; one about the file as a whole stands alone.
      const sentence = [issue.path.join('.'), issue.message].filter((part) => part !== '').join(' ');
      const hint = issue.nearest === undefined || issue.message.includes('did you mean') ? '' : `; did you mean "${issue.nearest}"?`;
      return `${shown(config.path)}:${line}: ${sentence}${hint}`;
    });
}

/** The issues in an error's details, whoever sent it; empty if it carries none. */
export function issuesOf(details: Readonly<Record<string, unknown>>): readonly ConfigIssue[] {
  const issues = details['issues'];
  if (!Array.isArray(issues)) return [];
  return issues.filter(
    (issue): issue is ConfigIssue =>
      typeof issue === 'object' && issue !== null && 'message' in issue && typeof issue.message === 'string' && 'path' in issue && Array.isArray(issue.path),
  );
}

/** The error that names every mistake of the config with its line. CONFLICT: by itself it is right, but something else has what it asks for. */
export function invalidConfig(config: LoadedConfig, issues: readonly ConfigIssue[], code: 'INVALID' | 'CONFLICT' = 'INVALID'): PlatformError {
  const lines = describeIssues(config, issues);
  const message = `Cannot use ${shown(config.path)}, because it has ${plural(lines.length, 'mistake')}:\n${lines.join('\n')}`;
  return new PlatformError(code, message, { issues, next: `mend ${lines.length === 1 ? 'it' : 'them'}; nothing has been changed` });
}

/** The same error with lines instead of paths, if it is about the config; any other as it is. */
export function explained(config: LoadedConfig, error: unknown): unknown {
  if (!(error instanceof Error) || !('details' in error) || typeof error.details !== 'object' || error.details === null) return error;
  const issues = issuesOf({ ...error.details });
  return issues.length === 0 ? error : invalidConfig(config, issues, 'code' in error && error.code === 'CONFLICT' ? 'CONFLICT' : 'INVALID');
}
