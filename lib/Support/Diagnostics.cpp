//===- Diagnostics.cpp - compiler messages as data --------------------------===//
#include "heddle/Support/Diagnostics.h"
#include "mlir/IR/Location.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace heddle;

/// The first place in a file that a location mentions: what a user can open.
static FileLineColLoc findFilePlace(Location location) {
  FileLineColLoc place;
  location->walk([&](Location part) {
    if ((place = dyn_cast<FileLineColLoc>(part)))
      return WalkResult::interrupt();
    return WalkResult::advance();
  });
  return place;
}

static Message::Severity severityOf(DiagnosticSeverity severity) {
  switch (severity) {
  case DiagnosticSeverity::Note:
    return Message::Note;
  case DiagnosticSeverity::Remark:
    return Message::Remark;
  case DiagnosticSeverity::Warning:
    return Message::Warning;
  case DiagnosticSeverity::Error:
    return Message::Error;
  }
  llvm_unreachable("all severities are listed");
}

MessageScope::MessageScope(MLIRContext *context, MessageHandler handler)
    : handler(std::move(handler)), scope(context, [this](Diagnostic &diagnostic) { report(diagnostic); }) {}

void MessageScope::report(Diagnostic &diagnostic) {
  Message message;
  message.severity = severityOf(diagnostic.getSeverity());
  errors += message.severity == Message::Error;
  message.text = diagnostic.str();
  if (FileLineColLoc place = findFilePlace(diagnostic.getLocation())) {
    message.file = place.getFilename().str();
    message.line = place.getLine();
    message.column = place.getColumn();
  }
  if (handler)
    handler(message);
  for (Diagnostic &note : diagnostic.getNotes())
    report(note);
}

void heddle::printMessage(llvm::raw_ostream &stream, const Message &message) {
  static constexpr llvm::StringLiteral names[] = {"note", "remark", "warning", "error"};
  if (!message.file.empty())
    stream << message.file << ":";
  if (message.line)
    stream << message.line << ":" << message.column << ":";
  stream << (message.file.empty() && !message.line ? "" : " ") << names[message.severity] << ": " << message.text
         << "\n";
}
